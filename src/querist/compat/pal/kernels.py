"""The user's modules, loaded by file as PAL does, and what all adapters share."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.compat.pal.settings import PalSettings
from querist.core.errors import ContractError, RoleFailed, ShapeError
from querist.core.roles import WorkerContext
from querist.store.run_folder import RunFolder

Vector = NDArray[np.float64]
INPUT, LABEL = "x", "y"
"""Fields of samples and labels: PAL's arrays have no names."""


@lru_cache(maxsize=64)
def load(path: str) -> ModuleType:
    """A module from its file; modules beside it can be imported by it.

    Raises:
        RoleFailed: If it cannot be imported; the cause is chained.
    """
    folder = str(Path(path).parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last, because PAL's file names (utils, model) are common ones
    name = f"pal_{Path(path).stem}_{hashlib.blake2b(path.encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RoleFailed(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's module may raise anything
        del sys.modules[name]
        raise RoleFailed(f"cannot import {path}: {error!r}") from error
    return module


def user(settings: PalSettings, kernel: str, name: str) -> Any:
    """A class or function of the user's kernel.

    Raises:
        RoleFailed: If it cannot be imported.
        ContractError: If it is not there.
    """
    path = settings.usr_pkg[kernel]
    module = load(path)
    if not hasattr(module, name):
        raise ContractError(f"{path} should define {name!r}, as PAL documents it, but does not.")
    return getattr(module, name)


def prepare(settings: Mapping[str, Any], context: WorkerContext | None) -> PalSettings:
    """Settings for a role that is opened in a worker: its folder exists, its seeds are its own."""
    found = PalSettings.of(settings)
    Path(found.result_dir).mkdir(parents=True, exist_ok=True)
    if context is not None:
        # PAL's kernels draw from NumPy's global generator; workers must not draw the same.
        np.random.seed(int(context.rng.integers(2**32)))  # noqa: NPY002
    return found


def vector(value: Any, what: str) -> Vector:
    """A copy as a 1-D float64 array.

    Raises:
        ShapeError: If it has another number of axes.
    """
    array = np.array(value, np.float64)
    if array.ndim != 1:
        raise ShapeError(f"{what} should be a 1-D array, but has the shape {array.shape}.")
    return array


def stop_run(context: WorkerContext, who: str) -> None:
    """PAL's stop: the run ends in order, as by ``querist stop``."""
    if context.run is not None:
        RunFolder(context.run).inbox.post("stop", {"why": f"{STOPPED} {who} returned stop_run"})


STOPPED = "PAL:"
"""How the reason of a run begins that the user's code has stopped."""
