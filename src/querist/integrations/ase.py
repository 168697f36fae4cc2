"""A trained model as an ASE calculator, outside of a campaign, which says where it is unsure.

Whatever ASE does with a calculator, it does with the model of a run: dynamics, relaxations,
barriers (NEB), phonons.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.campaign.models import model_of
from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError, ContractError
from querist.core.prediction import Prediction
from querist.core.roles import Model
from querist.oracles.calculator import answering_calculator
from querist.store.run_folder import RunFolder

PROPERTIES = ("energy", "forces")


class UncertainWarning(UserWarning):
    """The model is less sure of these atoms than it should be."""


def model_calculator(
    model: Model | Path | str,
    *,
    unsure_above: Mapping[str, float] | None = None,
    properties: tuple[str, ...] = PROPERTIES,
) -> Any:
    """An ASE calculator that answers by a model.

    Its results have uncertainties beside the properties, as ``energy_std`` (eV) and ``forces_std``
    (eV/A), where the model tells them. Atoms of which it is unsure are an
    :class:`UncertainWarning`, which Python shows once;
    ``warnings.simplefilter("always", UncertainWarning)`` shows each, "error" ends a trajectory.

    Args:
        model: The folder of a run, whose newest model is taken, or a model that was loaded.
        unsure_above: Largest uncertainty (:meth:`Prediction.uncertainty`) of outputs that needs no
            warning, in their units. By default, with a run, where its gate would have asked.
        properties: What to answer: "energy", "forces", "stress", as far as the model predicts it.

    Raises:
        ConfigError: If a threshold is not above 0.
        MissingExtra: If ASE is not installed.
        RunError: If no model was trained in the run.
    """
    limits = dict(unsure_above or {})
    if not isinstance(model, Model):
        limits = limits if unsure_above is not None else _asked_above(model)
        model = model_of(model)
    if wrong := {name: limit for name, limit in limits.items() if not limit > 0}:
        raise ConfigError(f"unsure_above should be uncertainties above 0, got {wrong}.")
    return answering_calculator(_Answering(model, properties, limits), properties)


def _asked_above(folder: Path | str) -> dict[str, float]:
    gate = RunFolder(folder).config()["settings"]["gate"]
    return {gate["output"]: float(gate["ask"])} if gate["ask"] else {}


class _Answering:
    """What the model says of one sample.

    Args:
        model: Loaded.
        properties: Outputs that it has to predict.
        limits: Uncertainties by output.
    """

    def __init__(
        self, model: Model, properties: tuple[str, ...], limits: Mapping[str, float]
    ) -> None:
        self._model, self._properties, self._limits = model, properties, limits

    def __call__(self, sample: Sample) -> dict[str, Array]:
        prediction = self._model.predict(Batch.from_samples([sample]))
        self._look(prediction)
        found = {name: self._number(prediction.mean, name) for name in self._properties}
        std = prediction.std
        return found | {f"{n}_std": std.columns[n].item(0) for n in self._properties if n in std}

    def _number(self, mean: Batch, name: str) -> Array:
        if name not in mean:
            raise ContractError(
                f"the model predicts {sorted(mean.columns)}, not {name!r}; choose by properties=."
            )
        value = np.asarray(mean.columns[name].item(0))
        if not np.isfinite(value).all():
            raise ContractError(f"the model's {name!r} is not finite for these atoms.")
        return value

    def _look(self, prediction: Prediction) -> None:
        for name, limit in self._limits.items():
            found = float(prediction.uncertainty(name)[0])
            if not found <= limit:
                warnings.warn(
                    f"the model is unsure of these atoms: its uncertainty of {name!r} is above "
                    f"{limit:.3g}. Ask the oracle, and learn from its answer.",
                    UncertainWarning,
                    stacklevel=2,
                )
