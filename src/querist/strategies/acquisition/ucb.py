"""UCB: optimism in the face of uncertainty."""

from __future__ import annotations

from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.normal import deviations, single


@pointwise(
    paper="Srinivas, Krause, Kakade & Seeger 2010 (arXiv 0912.3995), eq. 6; kappa is sqrt(beta)",
    cost="O(n) time, O(b) memory",
    use="The highest output with a dial between exploring (high kappa) and exploiting.",
    aliases=("upper-confidence-bound", "gp-ucb"),
)
def ucb(predictions: Array, std: Array, kappa: float = 2.0) -> Array:
    """Mean plus ``kappa`` standard deviations."""
    return single(predictions) + kappa * deviations(std)
