"""Uncertainty of items that may have several labels at once."""

from __future__ import annotations

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, namespace, xlogx
from querist.strategies.contract import pointwise

MEASURES = ("margin", "entropy", "least-confidence")
COMBINED = ("mean", "max", "sum")


@pointwise(
    paper="Esuli & Sebastiani 2009 (ECIR), section 3: confidence, combined by average or the least "
    "sure label; Settles 2009 (TR 1648), section 3.1",
    cost="O(n L) time, O(b) memory; L labels",
    use="Several labels an item, each with a probability of its own; many rare labels: max.",
)
def multi_label(label_probabilities: Array, measure: str = "entropy", how: str = "mean") -> Array:
    """Uncertainty of each label as a yes or no, combined over the labels.

    Of a label of probability p: ``1 - |2 p - 1|`` (margin), its entropy in nats, or
    ``1 - max(p, 1 - p)`` (least-confidence). Labels are combined by "mean", "max" or "sum".
    """
    if measure not in MEASURES or how not in COMBINED:
        raise ConfigError(
            f"measure is one of {', '.join(MEASURES)} and how one of {', '.join(COMBINED)}; "
            f"got {measure!r} and {how!r}."
        )
    xp, p = namespace(label_probabilities), label_probabilities
    if measure == "entropy":
        doubt = -xlogx(p) - xlogx(1.0 - p)
    else:
        doubt = (1.0 - xp.abs(2.0 * p - 1.0)) * (1.0 if measure == "margin" else 0.5)
    if how == "max":
        return xp.amax(doubt, axis=1)
    return xp.mean(doubt, axis=1) if how == "mean" else xp.sum(doubt, axis=1)
