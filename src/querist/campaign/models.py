"""The trained model of a run, ready to predict."""

from __future__ import annotations

from pathlib import Path

from querist.campaign.handlers.parts import load_state
from querist.campaign.loading import importable_again
from querist.campaign.settings import Role
from querist.campaign.wiring import calibrated_factory
from querist.core.errors import RunError
from querist.core.roles import Model
from querist.core.tasks import Factory, ModelRef
from querist.store.run_folder import RunFolder


def published_model(folder: RunFolder) -> ModelRef:
    """The newest published version.

    Raises:
        RunError: If there is none yet.
    """
    found = None
    for record in folder.journal_reader().read_new():
        if record.kind == "model.published":
            data = record.data
            found = ModelRef(data["version"], tuple(data["files"]), data["digest"])
    if found is None:
        raise RunError(f"no model was trained yet in {folder.path}.")
    return found


def loaded_model(folder: RunFolder, factory: Factory) -> Model:
    """The newest published version in a model that a factory makes."""
    model: Model = factory.create()
    model.load(load_state(folder.path, published_model(folder)))
    return model


def model_of(folder: Path | str) -> Model:
    """The newest model of a run, made from the configuration in its folder.

    Raises:
        RunError: If no model was trained yet, or if it was given as a live Python object.
    """
    run = RunFolder(folder)
    kept = run.config()
    if "model" in kept["live"]:
        raise RunError(
            "this run's model was given as a live Python object, which cannot be made anew from "
            "the run's folder; use campaign.model(folder) in the script that made it."
        )
    importable_again(kept["import_path"])
    settings = kept["settings"]
    role = Role.model_validate(settings["model"])
    factory = calibrated_factory(role, settings["gate"]["output"], settings["calibrate"])
    return loaded_model(run, factory)
