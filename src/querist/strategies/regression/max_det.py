"""MaxDet: the batch whose joint entropy under a linear model is largest, greedily."""

from __future__ import annotations

import numpy as np

from querist.strategies.conditioning import Conditioned, matrix, noise_variance
from querist.strategies.contract import Picks, batchwise
from querist.strategies.rows import Rows


@batchwise(
    paper="Holzmüller et al. 2023 (arXiv 2203.09410), section 4.2.2; the conditional variances of "
    "BatchBALD (Kirsch et al. 2019) and of D-optimal design for a Gaussian process",
    cost="O(n b d) time at worst, mostly much less; O(n + (b + min(m, d)) d) memory, m labelled",
    use="Batches in regression where a linear model on the features is believed; else lcmd.",
    aliases=("d-optimal",),
)
def max_det(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    noise: float = 0.01,
) -> Picks:
    """Again and again the row of highest variance, given labels of all that came before.

    ``noise`` is the variance of a label's noise in units of the pool's mean squared norm. A score
    is the variance of the row when it was picked.
    """
    variance = noise_variance(noise, embeddings)
    return greedy(embeddings, labelled_embeddings, budget, variance)


def greedy(rows: Rows, labelled: Rows | None, budget: int, noise: float) -> Picks:
    """The picks for a noise of this variance, 0 allowed where nothing is labelled."""
    known = Conditioned(rows, matrix(labelled, rows), noise, budget)
    taken = np.zeros(len(rows), bool)
    picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for place in range(budget):
        picks[place] = best = known.highest(taken)
        scores[place] = known.variances[best]
        taken[best] = True
        known.learn(best)
    return picks, scores
