"""Mean standard deviation of the members' probabilities."""

from __future__ import annotations

from querist.strategies.arrays import Array, namespace
from querist.strategies.contract import pointwise
from querist.strategies.probability import consensus


@pointwise(
    paper="Kampffmeyer, Salberg & Jenssen 2016; Gal, Islam & Ghahramani 2017, section 4",
    cost="O(n T C) time, O(b) memory",
    use="Disagreement without logarithms; weaker than bald in most comparisons.",
)
def mean_std(member_probabilities: Array) -> Array:
    """Mean over classes of the standard deviation over members."""
    xp = namespace(member_probabilities)
    apart = member_probabilities - consensus(member_probabilities)[:, None]
    return xp.mean(xp.sqrt(xp.mean(apart * apart, axis=1)), axis=1)
