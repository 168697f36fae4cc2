"""Opening roles in a worker, and models from the run's folder."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

from querist.core.errors import RunError
from querist.core.roles import ModelState, SupportsClose, SupportsOpen, WorkerContext
from querist.core.tasks import Factory, ModelRef
from querist.store.arrays import load_arrays

ASIDE_BYTES = 1 << 20  # weights below this are read between two slices: it takes no time


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
        self._ref = ModelRef(0)
        self._coming: _Coming | None = None

    def use(self, ref: ModelRef) -> Any:
        """The model with these weights."""
        if ref.version != self.version:
            coming, self._coming = self._coming, None
            same = coming is not None and coming.ref.version == ref.version
            state = coming.state() if coming and same else load_state(self._run, ref)
            self.model.load(state)
            self.version = ref.version
        return self.model

    def approach(self, ref: ModelRef) -> ModelRef:
        """Begin to read large weights aside; what to use until they are there.

        The first weights, and small ones, are to be used at once.
        """
        if ref.version == self.version or not self.version or self._size(ref) < ASIDE_BYTES:
            self._ref = ref
            return ref
        if self._coming is None:
            self._coming = _Coming(self._run, ref)
        if self._coming.is_there:
            self._ref = self._coming.ref
        return self._ref

    def settle(self) -> bool:
        """Wait for weights that are being read; whether there are any."""
        if self._coming is None:
            return False
        self._coming.wait()
        return True

    def _size(self, ref: ModelRef) -> int:
        folder = self._run / "weights"
        return sum((folder / name).stat().st_size for name in ref.files)


class _Coming:
    """Weights that a thread reads and verifies while the model goes on."""

    def __init__(self, run: Path, ref: ModelRef) -> None:
        self.ref = ref
        self._state: ModelState | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, args=(run,), daemon=True)
        self._thread.start()

    @property
    def is_there(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join()

    def state(self) -> ModelState:
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._state is not None
        return self._state

    def _read(self, run: Path) -> None:
        try:
            self._state = load_state(run, self.ref)
        except Exception as error:  # noqa: BLE001 - raised again where the weights are used
            self._error = error
