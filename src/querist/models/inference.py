"""Models over pools, from wherever they are: one function opens them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .inference_settings import (
    FeaturesSettings,
    ModelSettings,
    PythonSettings,
    TorchSettings,
    parse,
)
from .inferring import Inference as Inference
from .inferring import InferenceInfo as InferenceInfo
from .loaders import features, module, python

KINDS: dict[str, type[ModelSettings]] = {
    "features": FeaturesSettings,
    "python": PythonSettings,
    "torch": TorchSettings,
}

_LOADERS: dict[str, Any] = {
    "features": features.load,
    "python": python.load,
    "torch": module.load,
}


def open_inference(settings: Mapping[str, Any], device: str = "cpu", threads: int = 1) -> Inference:
    """Open a model.

    Args:
        settings: ``use`` says where it is from; the other keys are those of its class in
            :mod:`querist.models.inference_settings`.
        device: "cpu" or "cuda:0" ...
        threads: That it may use.

    Raises:
        ConfigError: If the settings cannot be used, with every problem and the nearest known key.
        MissingExtra: If a package is not installed.
        RunError: If the model cannot be loaded.
    """
    checked = parse(settings, KINDS)
    opened: Inference = _LOADERS[settings["use"]](checked, device, max(1, threads))
    return opened
