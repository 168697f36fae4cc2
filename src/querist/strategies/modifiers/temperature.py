"""Rows drawn by their scores instead of ranked."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.contract import Picks
from querist.strategies.modifying import Base, Vector, modifier

KINDS = ("power", "softmax", "softrank")


@modifier(
    paper="Kirsch et al. 2023 (arXiv 2106.12059), table 1; the Gumbel trick for drawing without "
    "replacement: Kool, van Hoof & Welling 2019 (arXiv 1903.06059)",
    cost="O(n) time and memory; softrank O(n log n) time",
    use="Batches from bald, entropy or margin: as good as slow batch methods, at no cost.",
)
def temperature(
    base: Base,
    *,
    budget: int,
    rng: np.random.Generator,
    beta: float = 1.0,
    kind: str = "power",
) -> Picks:
    """Draw without replacement with weights ``score^beta``, ``exp(beta score)`` or ``rank^-beta``.

    The ``kind`` is "power", "softmax" or "softrank" (equals share no rank: by index). For "power"
    the pool's lowest score counts as zero if it is negative; rows of weight zero come last, in
    random order. Scores are the base's.
    """
    if kind not in KINDS:
        raise ConfigError(f"kind is one of {', '.join(KINDS)}, got {kind!r}.")
    if not (np.isfinite(beta) and beta >= 0.0):
        raise ConfigError(f"beta is a number from 0 on, got {beta}.")
    scores = base.scores()
    keys = rng.gumbel(size=len(scores))
    if beta > 0.0:  # zero to the power of zero is one
        keys += beta * log_weights(scores, kind)
    never = ~np.isfinite(keys)
    keys[never] = rng.random(int(never.sum()))
    order = np.lexsort((-keys, never))[:budget]
    return order, scores[order]


def log_weights(scores: Vector, kind: str) -> Vector:
    """``(n,)`` logarithms of the weights for beta one; minus infinity for weight zero."""
    if kind == "softmax":
        return scores
    if kind == "softrank":
        ranks = np.zeros(len(scores))
        ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        return -np.log(ranks)
    raised = scores - min(0.0, float(scores.min(initial=0.0)))
    logs = np.full(len(scores), -np.inf)
    np.log(raised, out=logs, where=raised > 0.0)
    return logs
