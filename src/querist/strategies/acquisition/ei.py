"""EI: expected improvement."""

from __future__ import annotations

from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.normal import density, incumbent, special, standardised


@pointwise(
    paper="Mockus 1975; Jones, Schonlau & Welch 1998, eq. 15",
    cost="O(n) time, O(b) memory",
    use="One question at a time for the highest output; log-ei where improvements get tiny.",
    aliases=("expected-improvement",),
)
def ei(predictions: Array, std: Array, labels: Array, xi: float = 0.0) -> Array:
    """How much a normal prediction exceeds the best label plus ``xi`` on average."""
    z, spread = standardised(predictions, std, incumbent(labels) + xi)
    found = spread * (density(z) + z * special(z).ndtr(z))
    return found * (found > 0.0)  # cancellation far below the incumbent
