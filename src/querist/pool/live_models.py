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
    if model is None or not isinstance(model, Mapping):
        return model is not None
    given = [model.get(name) for name in ("function", "object")]
    named = all(each is None or isinstance(each, str) for each in given)
    return live_networks.is_network(model) or not named


def live_model(model: Any, pool: Pool, threads: int, device: str | None = None) -> Inference:
    """An opened model as it is; an estimator, torch modules, or a function, opened.

    Args:
        model: One of these: fitted; one module or a list; of a batch to probabilities.
        pool: Whose items it looks at.
        threads: That an estimator or a module may use.
        device: Where a module runs; None for where it is.

    Raises:
        ConfigError: If it is none of these.
    """
    if isinstance(model, Mapping) and not live_networks.is_network(model):
        return open_inference({"use": "python", **model})
    if isinstance(model, Inference):
        return model
    if estimators.is_estimator(model):
        return estimators.of_pool(model, pool, threads)
    if live_networks.is_network(model):
        return live_networks.of_pool(model, pool, threads, device)
    if hasattr(model, "infer"):
        return open_inference({"use": "python", "object": model})
    if not callable(model) or isinstance(model, type) or hasattr(model, "state_dict"):
        raise ConfigError(
            "A model is settings, such as {'use': 'onnx', 'file': 'model.onnx'}, a torch module or "
            "a list of some, a fitted estimator of scikit-learn, a function from a batch to "
            "probabilities, or an object with infer(batch, wanted) and provides; got "
            f"{model!r:.80}."
        )
    return open_inference({"use": "python", "function": model})
