"""Query by committee for numbers: where the members disagree most."""

from __future__ import annotations

from querist.strategies.arrays import Array, namespace
from querist.strategies.contract import pointwise


@pointwise(
    paper="RayChaudhuri & Hamey 1995; Burbidge, Rowland & King 2007, eq. 3",
    cost="O(n T o) time, O(b) memory; o outputs",
    use="Regression with an ensemble, one question at a time or as the base of a modifier.",
    aliases=("qbc",),
)
def qbc_variance(member_predictions: Array) -> Array:
    """Variance over members (not corrected for their number), averaged over outputs."""
    xp = namespace(member_predictions)
    apart = member_predictions - xp.mean(member_predictions, axis=1)[:, None]
    spread = xp.mean(apart * apart, axis=1)
    return spread if spread.ndim == 1 else xp.mean(spread, axis=1)
