"""Entropy of the predicted class."""

from __future__ import annotations

from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.probability import entropy_of


@pointwise(
    paper="Shannon 1948; Settles 2009 (TR 1648), section 3.1",
    cost="O(n C) time, O(b) memory",
    use="Many plausible classes matter. With many classes small tails add up; compare margin.",
    aliases=("entropy-sampling", "prediction-entropy"),
)
def entropy(probabilities: Array) -> Array:
    """``-sum_c p_c log p_c`` in nats."""
    return entropy_of(probabilities)
