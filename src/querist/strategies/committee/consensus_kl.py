"""Divergence of the members from their consensus."""

from __future__ import annotations

from querist.strategies.arrays import Array, filled, namespace
from querist.strategies.contract import pointwise
from querist.strategies.probability import consensus


@pointwise(
    paper="McCallum & Nigam 1998, KL divergence to the mean; Settles 2009 (TR 1648), section 3.2",
    cost="O(n T C) time, O(b) memory",
    use="Query by committee with soft votes. Of members of equal weight it is the number that BALD "
    "computes.",
)
def consensus_kl(member_probabilities: Array) -> Array:
    """Mean over members of ``KL(p_t || mean p)``, in nats."""
    xp = namespace(member_probabilities)
    tiny = filled((), 1e-300, "float64", member_probabilities)
    mean = consensus(member_probabilities)[:, None]
    relative = xp.log(xp.maximum(member_probabilities, tiny)) - xp.log(xp.maximum(mean, tiny))
    return xp.mean(xp.sum(member_probabilities * relative, axis=2), axis=1)
