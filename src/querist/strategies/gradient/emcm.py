"""EMCM: expected model change of a regression."""

from __future__ import annotations

from querist.strategies.arrays import Array, dots, namespace
from querist.strategies.contract import pointwise


@pointwise(
    paper="Cai, Zhang & Zhou 2013 (ICDM), eq. 8 and 10",
    cost="O(n (T o + d)) time, O(b) memory",
    use="Regression with a linear last layer and a committee of bootstraps.",
    aliases=("expected-model-change",),
)
def emcm(predictions: Array, member_predictions: Array, embeddings: Array) -> Array:
    """Mean over members of the norm of the squared loss's gradient, were the member right.

    For a linear layer with input h the gradient is ``(f(x) - f_t(x)) h``; with several outputs the
    outer product, whose norm is that of the differences times that of h.
    """
    xp = namespace(predictions)
    count, members = member_predictions.shape[:2]
    apart = member_predictions.reshape(count, members, -1) - predictions.reshape(count, 1, -1)
    errors = xp.mean(xp.sqrt(xp.sum(apart * apart, axis=2)), axis=1)
    return errors * xp.sqrt(dots(embeddings, embeddings))
