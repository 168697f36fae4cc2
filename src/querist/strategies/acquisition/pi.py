"""PI: probability of improvement."""

from __future__ import annotations

from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.normal import incumbent, special, standardised


@pointwise(
    paper="Kushner 1964; Jones 2001, section 3",
    cost="O(n) time, O(b) memory",
    use="When any improvement will do; greedy, so give a margin xi, or take ei.",
    aliases=("probability-of-improvement",),
)
def pi(predictions: Array, std: Array, labels: Array, xi: float = 0.0) -> Array:
    """Logarithm of the probability that a normal prediction exceeds the best label plus ``xi``.

    The logarithm orders candidates as the probability does, and those too whose probability is
    zero in floating point.
    """
    z, _ = standardised(predictions, std, incumbent(labels) + xi)
    return special(z).log_ndtr(z)
