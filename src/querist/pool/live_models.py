"""Models that are Python objects, as a query takes them."""

from __future__ import annotations

from typing import Any

from querist.core.errors import ConfigError
from querist.models.inference import Inference, open_inference


def live_model(model: Any) -> Inference:
    """An opened model as it is; a function of a batch as one that gives probabilities.

    Raises:
        ConfigError: If it is neither.
    """
    network = hasattr(model, "state_dict")  # of torch: its settings say how it is shown items
    function = callable(model) and not isinstance(model, type) and not network
    if not function and not hasattr(model, "infer"):
        raise ConfigError(
            f"A model is settings, such as {{'use': 'onnx', 'file': 'model.onnx'}} or {{'use': "
            "'torch', 'builder': 'my_network:build', 'weights': ...}, a function from a batch to "
            "probabilities, or an object with infer(batch, wanted) and provides; "
            f"got {model!r:.80}."
        )
    if hasattr(model, "infer"):
        made: Inference = model
        return made
    return open_inference({"use": "python", "function": model})
