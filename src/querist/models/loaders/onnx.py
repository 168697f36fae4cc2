"""ONNX files, from any library; several are a committee."""

from __future__ import annotations

from pathlib import Path

from querist.core.errors import ConfigError

from ..backends.onnx import OnnxModel, read
from ..inference_settings import OnnxSettings
from ..inferring import Inference
from ..networks import Network
from .module import Place, network_digest, opened

USUAL = "onnxruntime"


def load(settings: OnnxSettings, device: str, threads: int) -> Inference:
    """The model of the file.

    Raises:
        ConfigError: If the file cannot be read or has no such output, or torch is to run it.
    """
    if settings.backend == "torch":
        raise ConfigError(
            "an ONNX file is not run by torch; take 'onnxruntime' or 'openvino' as its backend."
        )
    models = [read(Path(file), settings) for file in settings.file]
    output = settings.output or ("probabilities" if models[0].softmax else "logits")
    settings = settings.model_copy(update={"output": output})
    network = Network(models, all(model.embeddings for model in models), "onnx")
    made = opened(network, settings, digest(settings, models), Place(device, threads, USUAL))
    made.beside = tuple(file for model in models for file in model.beside)
    return made


def digest(settings: OnnxSettings, models: list[OnnxModel]) -> str:
    """A digest of the models, weights in files beside them included."""
    from ..inferring import content_digest

    return network_digest(settings, {"file": [content_digest(m.data) for m in models]}, USUAL)
