"""MaxDiag: the rows of which a linear model on the features knows least."""

from __future__ import annotations

import numpy as np

from querist.strategies.conditioning import Conditioned, matrix, noise_variance
from querist.strategies.contract import Picks, batchwise
from querist.strategies.ranking import ranked
from querist.strategies.rows import Rows


@batchwise(
    paper="Holzmüller et al. 2023 (arXiv 2203.09410), section 4.2.1, on the posterior kernel of "
    "section 4.1.2; MacKay 1992 as sequential choice",
    cost="O(n d min(m, d) + d^2 min(m, d)) time, m labelled; O(n + d min(m, d)) memory",
    use="One question at a time in regression; its batches repeat themselves, then max-det.",
)
def max_diag(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    noise: float = 0.01,
) -> Picks:
    """The highest variances of Bayesian linear regression on the features.

    ``noise`` is the variance of a label's noise in units of the pool's mean squared norm. A score
    is the variance, in the units of a squared norm.
    """
    variance = noise_variance(noise, embeddings)
    known = Conditioned(embeddings, matrix(labelled_embeddings, embeddings), variance, 0)
    return ranked(known.variances, budget, rng)
