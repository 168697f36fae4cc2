"""DBAL: the most informative rows, and of them a diverse batch."""

from __future__ import annotations

import math

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.clusters import representatives
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Space
from querist.strategies.informativeness import as_weights, measured, uncertainties
from querist.strategies.ranking import ranked
from querist.strategies.rows import Rows, rows_of

# Of Lloyd's algorithm, at most.
ITERATIONS = 20


@batchwise(
    paper="Zhdanov 2019 (arXiv 1901.05954), algorithm 2: weighted k-means on a prefiltered pool",
    cost="O(n C + beta b^2 d) time an iteration; O(n + beta b d) memory",
    use="Large batches where margin alone picks many alike; any classifier with features.",
    aliases=("diverse-mini-batch",),
)
def dbal(
    probabilities: Rows,
    embeddings: Rows,
    *,
    budget: int,
    rng: np.random.Generator,
    beta: float = 10.0,
    measure: str = "margin",
) -> Picks:
    """Cluster the ``beta * budget`` most informative rows, weighted by informativeness.

    Of each of as many clusters as are wanted the row nearest to the weighted mean is picked, the
    weightiest cluster first. Informativeness is one minus the margin, as in the paper, or another
    ``measure``: "least-confidence", "ratio", "entropy". A score is the share of the weight of the
    prefiltered rows that the pick's cluster holds.
    """
    if not beta >= 1.0:
        raise ConfigError(f"beta is how many rows to keep for each pick, at least 1; got {beta}.")
    informative = uncertainties(probabilities, measured(measure))
    many = min(len(informative), math.ceil(beta * budget))
    kept = np.sort(ranked(informative, many, rng)[0])
    some = embeddings
    if len(kept) < len(embeddings):
        some = rows_of(embeddings.name, embeddings.need, embeddings.take(kept))
    weights = as_weights(informative[kept])
    rows, shares = representatives(Space([some]), budget, rng, ITERATIONS, weights)
    return kept[rows], shares
