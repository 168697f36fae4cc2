"""Ratio of the two likeliest classes."""

from __future__ import annotations

from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.probability import two_highest


@pointwise(
    paper="Monarch 2021, Human-in-the-Loop Machine Learning, section 3.2.3",
    cost="O(n C) time, O(b) memory",
    use="As margin, but two small probabilities that are alike count as much as two large ones.",
)
def ratio(probabilities: Array) -> Array:
    """Second highest over highest probability: 1 where they are equal, 0 where one is sure."""
    first, second = two_highest(probabilities)
    return second / first
