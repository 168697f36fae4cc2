"""Models that people give as they have them, made into models of campaigns and surrogates."""

from __future__ import annotations

from typing import Any

from .committee import Committee
from .torch_ensemble import TorchEnsemble


def as_model(thing: Any) -> Any:
    """A committee of an estimator of scikit-learn or one like it, or of a torch module's copies.

    Anything else as it is.
    """
    if _has(thing, "predict", "fit", "load"):
        return thing
    if _has(thing, "get_params", "fit", "predict"):
        return Committee(thing)
    is_network = not isinstance(thing, type) and _has(thing, "forward", "state_dict")
    return TorchEnsemble(module=thing) if is_network else thing


def _has(thing: Any, *names: str) -> bool:
    return all(hasattr(thing, name) for name in names)
