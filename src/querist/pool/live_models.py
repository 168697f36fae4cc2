"""Models that are Python objects, as a query takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.core.errors import ConfigError
from querist.models.inference import Inference, open_inference
from querist.pool import estimators, live_networks
from querist.pool.pool import Pool


def is_live(model: Any) -> bool:
    """Whether it is, or holds, an object of this process: no settings that can be written down."""
    return model is not None and (not isinstance(model, Mapping) or live_networks.is_network(model))


def live_model(model: Any, pool: Pool, threads: int) -> Inference:
    """An opened model as it is; an estimator, torch modules, or a function, opened.

    Args:
        model: One of these: fitted; one module or a list; of a batch to probabilities.
        pool: Whose items it looks at.
        threads: That an estimator or a module may use.

    Raises:
        ConfigError: If it is none of these.
    """
    if estimators.is_estimator(model):
        return estimators.of_pool(model, pool, threads)
    if live_networks.is_network(model):
        return live_networks.of_pool(model, pool, threads)
    function = callable(model) and not isinstance(model, type)
    if not function and not hasattr(model, "infer"):
        raise ConfigError(
            f"A model is settings, such as {{'use': 'onnx', 'file': 'model.onnx'}} or {{'use': "
            "'torch', 'builder': 'my_network:build', 'weights': ...}, a fitted estimator of "
            "scikit-learn, a function from a batch to probabilities, or an object with "
            f"infer(batch, wanted) and provides; got {model!r:.80}."
        )
    if hasattr(model, "infer"):
        made: Inference = model
        return made
    return open_inference({"use": "python", "function": model})
