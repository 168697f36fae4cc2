"""Entropy of the members' votes."""

from __future__ import annotations

from querist.strategies.arrays import Array
from querist.strategies.contract import pointwise
from querist.strategies.probability import entropy_of, votes


@pointwise(
    paper="Dagan & Engelson 1995 (not divided by its maximum); Settles 2009 (TR 1648), section 3.2",
    cost="O(n T C) time, O(b) memory",
    use="Query by committee with hard votes; few members give few different scores.",
)
def vote_entropy(member_probabilities: Array) -> Array:
    """``-sum_c v_c log v_c`` in nats, with ``v_c`` the share of members that vote for c."""
    return entropy_of(votes(member_probabilities))
