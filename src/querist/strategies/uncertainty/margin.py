"""Margin between the two likeliest classes."""

from __future__ import annotations

from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.probability import two_highest


@pointwise(
    paper="Scheffer, Decomain & Wrobel 2001; Settles 2009 (TR 1648), section 3.1",
    cost="O(n C) time, O(b) memory",
    use="The first choice with a classifier on tables (Bahri et al. 2022, arXiv 2210.03822).",
    aliases=("margin-sampling", "breaking-ties"),
)
def margin(probabilities: Array) -> Array:
    """Second highest minus highest probability: 0 where they are equal, -1 where one is sure."""
    first, second = two_highest(probabilities)
    return second - first
