"""Confidence in the likeliest class."""

from __future__ import annotations

from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.probability import two_highest


@pointwise(
    paper="Lewis & Gale 1994; Culotta & McCallum 2005; Settles 2009 (TR 1648), section 3.1",
    cost="O(n C) time, O(b) memory",
    use="Cheap and simple; the same order as margin and entropy with two classes.",
    aliases=("uncertainty-sampling",),
)
def least_confidence(probabilities: Array) -> Array:
    """``1 - max_c p_c``."""
    return 1.0 - two_highest(probabilities)[0]
