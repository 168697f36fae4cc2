"""Models that are Python objects, as a query takes them."""

from __future__ import annotations

from typing import Any

from querist.core.errors import ConfigError
from querist.models.inference import Inference, open_inference
from querist.pool.estimators import is_estimator, of_pool
from querist.pool.pool import Pool


def live_model(model: Any, pool: Pool, threads: int) -> Inference:
    """An opened model as it is; a fitted estimator, or a function of a batch to probabilities.

    Args:
        model: One of these.
        pool: Whose items it looks at.
        threads: That an estimator may use.

    Raises:
        ConfigError: If it is none of these.
    """
    if is_estimator(model):
        return of_pool(model, pool, threads)
    network = hasattr(model, "state_dict")  # of torch: its settings say how it is shown items
    function = callable(model) and not isinstance(model, type) and not network
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
