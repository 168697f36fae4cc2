"""EPIG: what the answer tells of predictions that matter."""

from __future__ import annotations

from querist.strategies.arrays import Array, filled, namespace
from querist.strategies.contract import pointwise
from querist.strategies.probability import consensus, entropy_of

# Numbers of joint probabilities held at once.
HELD = 1 << 18


@pointwise(
    paper="Bickford Smith et al. 2023 (arXiv 2304.08151), section 4",
    cost="O(n m T C^2) time, O(b) memory; m targets",
    use="The items to be predicted in the end differ from the pool: long tails, shifted pools.",
)
def epig(member_probabilities: Array, target_member_probabilities: Array) -> Array:
    """Mean over targets of the mutual information of the two labels, in nats."""
    xp = namespace(member_probabilities)
    targets = target_member_probabilities
    count = len(member_probabilities)
    own = entropy_of(consensus(member_probabilities))
    total = filled(count, 0.0, "float64", member_probabilities)
    for row in range(count):
        joint = _joint_entropies(member_probabilities[row], targets)
        total[row] = xp.sum(joint)
    expected = xp.mean(entropy_of(consensus(targets)))
    return own + expected - total / len(targets)


def _joint_entropies(one: Array, targets: Array) -> Array:
    """Entropy of the pair of labels, of one item ``(T, C)`` with each target: ``(m,)``."""
    xp = namespace(one)
    step = max(1, HELD // one.shape[1] ** 2)
    parts = []
    for start in range(0, len(targets), step):
        some = targets[start : start + step]
        joint = xp.einsum("tc,mtk->mck", one, some) / one.shape[0]
        parts.append(entropy_of(joint.reshape(len(some), -1)))
    return xp.concatenate(parts)
