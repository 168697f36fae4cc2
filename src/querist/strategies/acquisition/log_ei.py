"""LogEI: the logarithm of expected improvement, which never vanishes."""

from __future__ import annotations

from querist.strategies.arrays import Array, namespace
from querist.strategies.contract import pointwise
from querist.strategies.normal import incumbent, log_improvement, standardised


@pointwise(
    paper="Ament et al. 2023 (arXiv 2310.20708), eq. 9",
    cost="O(n) time, O(b) memory",
    use="Wherever ei is: the same order, also among candidates whose ei is zero in floating point.",
)
def log_ei(predictions: Array, std: Array, labels: Array, xi: float = 0.0) -> Array:
    """Logarithm of the expected excess over the best label plus ``xi``."""
    z, spread = standardised(predictions, std, incumbent(labels) + xi)
    return log_improvement(z) + namespace(z).log(spread)
