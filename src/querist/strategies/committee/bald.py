"""BALD: what the answer tells of the model's parameters."""

from __future__ import annotations

from querist.strategies.arrays import Array, namespace
from querist.strategies.contract import pointwise
from querist.strategies.probability import consensus, entropy_of


@pointwise(
    paper="Houlsby et al. 2011 (arXiv 1112.5745), eq. 2; Gal, Islam & Ghahramani 2017",
    cost="O(n T C) time, O(b) memory",
    use="Noise in the labels must not attract: only what members disagree on counts. For a batch, "
    "batchbald.",
)
def bald(member_probabilities: Array) -> Array:
    """Entropy of the mean prediction minus the mean entropy of the members, in nats."""
    expected = namespace(member_probabilities).mean(entropy_of(member_probabilities), axis=1)
    return entropy_of(consensus(member_probabilities)) - expected
