"""Share of members that vote against the majority."""

from __future__ import annotations

from querist.strategies.arrays import Array, namespace
from querist.strategies.contract import pointwise
from querist.strategies.probability import votes


@pointwise(
    paper="Freeman 1965; Gal, Islam & Ghahramani 2017 (arXiv 1703.02910), section 4",
    cost="O(n T C) time, O(b) memory",
    use="A committee or dropout masks with hard votes; few members give few different scores.",
)
def variation_ratios(member_probabilities: Array) -> Array:
    """One minus the largest share of votes."""
    shares = votes(member_probabilities)
    return 1.0 - namespace(shares).amax(shares, axis=1)
