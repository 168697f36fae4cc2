"""Opening roles in a worker, and models from the run's folder."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from querist.core.errors import RunError
from querist.core.roles import ModelState, SupportsClose, SupportsOpen, WorkerContext
from querist.core.tasks import Factory, ModelRef
from querist.store.arrays import load_arrays


def open_role(factory: Factory, context: WorkerContext) -> Any:
    """Make a role of this worker's own and tell it its context.

    Live objects are copied, because explorer and trainer may share one process and must not
    share a model.
    """
    role = factory.create()
    if factory.is_live:
        role = copy.deepcopy(role)
    if isinstance(role, SupportsOpen):
        role.open(context)
    return role


def close_role(role: Any) -> None:
    """Let a role release what it holds."""
    if isinstance(role, SupportsClose):
        role.close()


def run_folder(context: WorkerContext) -> Path:
    """The run's folder.

    Raises:
        RunError: If the engine was started without one.
    """
    if context.run is None:
        raise RunError("a campaign's workers need the run's folder, but the engine has none.")
    return context.run


def load_state(run: Path, ref: ModelRef) -> ModelState:
    """The published state behind a reference, parts merged."""
    digests = ref.digest.split("+")
    parts = []
    for name, digest in zip(ref.files, digests, strict=True):
        file = load_arrays(run / "weights" / name, digest or None)
        parts.append(ModelState(file.arrays, file.metadata))
    return ModelState.merge(parts)


class LoadedModel:
    """A model that swaps its weights when another version is referred to.

    Args:
        factory: Makes the model.
        context: Of the worker.
    """

    def __init__(self, factory: Factory, context: WorkerContext) -> None:
        self.model = open_role(factory, context)
        self.version = 0
        self._run = run_folder(context)

    def use(self, ref: ModelRef) -> Any:
        """The model with these weights."""
        if ref.version != self.version:
            self.model.load(load_state(self._run, ref))
            self.version = ref.version
        return self.model
