"""Models over pools, from wherever they are: one function opens them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from querist.core.errors import ConfigError

from .backends.triton import Connect
from .inference_settings import HeadSettings, RemoteSettings, parse
from .inferring import Inference as Inference
from .inferring import InferenceInfo as InferenceInfo
from .loaders import features, head, hub, huggingface, module, onnx, python, remote, sklearn

Loader = Callable[..., Inference]
_LOADERS: dict[str, Loader] = {
    "features": features.load,
    "python": python.load,
    "torch": module.load,
    "sklearn": sklearn.load,
    "onnx": onnx.load,
    "huggingface": huggingface.load,
    "hub": hub.load,
}


def open_inference(
    settings: Mapping[str, Any],
    device: str = "cpu",
    threads: int = 1,
    connect: Connect | None = None,
) -> Inference:
    """Open a model.

    Args:
        settings: ``use`` says where it is from; the other keys are those of its class in
            :mod:`querist.models.inference_settings`.
        device: "cpu" or "cuda:0" ...
        threads: That it may use.
        connect: Makes the HTTP client of a remote model, of a timeout in seconds; it may refuse
            addresses. None for a plain one.

    Raises:
        ConfigError: If the settings cannot be used, with every problem and the nearest known key.
        MissingExtra: If a package is not installed.
        RunError: If the model cannot be loaded.
    """
    if threads < 1:
        raise ConfigError(f"a model wants at least 1 thread, but got {threads}.")
    checked = parse(settings)
    if isinstance(checked, RemoteSettings):
        return remote.load(checked, connect)
    if isinstance(checked, HeadSettings):
        return head.load(checked, lambda base: open_inference(base, device, threads, connect))
    return _LOADERS[settings["use"]](checked, device, threads)
