"""Cluster-Margin: rows of low margin, spread over clusters of the pool."""

from __future__ import annotations

import math

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.arrays import add_rows, beside, dots, filled
from querist.strategies.clusters import assigned, cluster
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Indices, Space
from querist.strategies.informativeness import measured, uncertainties
from querist.strategies.linkage import Leaves, Tree
from querist.strategies.pairs import Pairs
from querist.strategies.ranking import ranked
from querist.strategies.rows import Rows, rows_of

# Rows from which the tree grows one by one; of a larger pool, k-means clusters are its leaves.
LEAVES = 2048
ITERATIONS = 3
# Rows of which the means of the leaves are found; those of a larger pool are drawn.
SAMPLE = 8 * LEAVES


@batchwise(
    paper="Citovsky et al. 2021 (arXiv 2107.14263), algorithms 1 and 2; average linkage under "
    "squared Euclidean distance",
    cost="O(n (C + m d) + m^2 d) time, m = min(n, 2048) leaves of the tree; O(n + m d) memory",
    use="Very large batches: margin where many of the least sure rows are alike.",
)
def cluster_margin(
    probabilities: Rows,
    embeddings: Rows,
    *,
    budget: int,
    rng: np.random.Generator,
    ratio: float = 10.0,
    threshold: float | None = None,
) -> Picks:
    """Of the ``ratio * budget`` rows of least margin, one at random from each cluster in turn.

    Clusters go from the one with the fewest such rows to the one with the most, round by round,
    until the budget is spent. They are cut from the tree of average linkage of the whole pool: at a
    mean squared distance of ``threshold``, as in the paper, or so that there are as many as picks,
    at most half as many as leaves. A pool of more than 2,048 rows is first cut into that many
    k-means clusters (of 16,384 rows drawn from a larger pool; the others join the nearest), from
    which the tree grows by the exact mean distances between rows. A score is the margin, negative.
    """
    if not ratio >= 1.0:
        raise ConfigError(f"ratio is how many rows to keep for each pick, at least 1; got {ratio}.")
    informative = uncertainties(probabilities, measured("margin"))
    kept = ranked(informative, min(len(informative), math.ceil(ratio * budget)), rng)[0]
    leaves, leaf = _leaves(embeddings, rng)
    clusters = max(1, min(budget, len(leaves.sizes) // 2))
    labels = Tree(leaves).cut(clusters, threshold)[leaf[kept]]
    picks = kept[round_robin(labels, budget, rng)]
    return picks, informative[picks] - 1.0


def _leaves(embeddings: Rows, rng: np.random.Generator) -> tuple[Leaves, Indices]:
    """Leaves of the tree, and the leaf of each row."""
    leaf = np.arange(len(embeddings))
    if len(leaf) > LEAVES:
        leaf = np.unique(_nearest_leaf(embeddings, rng), return_inverse=True)[1]
    pairs, sizes = Pairs(embeddings), np.bincount(leaf).astype(float)
    like = pairs.take(np.array([0]))
    means = filled((len(sizes), like.shape[1]), 0.0, "float64", like)
    squares = filled((len(sizes), 1), 0.0, "float64", like)
    for start, rows in pairs.blocks():
        mine = leaf[start : start + len(rows)]
        add_rows(means, mine, rows)
        add_rows(squares, mine, dots(rows, rows)[:, None])
    shares = beside(1.0 / sizes[:, None], like)
    return Leaves(means * shares, (squares * shares)[:, 0], sizes), leaf


def _nearest_leaf(embeddings: Rows, rng: np.random.Generator) -> Indices:
    """``(n,)`` k-means cluster of each row, the means being those of a sample of a large pool."""
    space, count = Space([embeddings]), len(embeddings)
    if count <= SAMPLE:
        return cluster(space, LEAVES, rng, ITERATIONS).labels
    drawn = np.sort(rng.choice(count, SAMPLE, replace=False))
    few = rows_of(embeddings.name, embeddings.need, embeddings.take(drawn))
    return assigned(space, cluster(Space([few]), LEAVES, rng, ITERATIONS).means)


def round_robin(labels: Indices, budget: int, rng: np.random.Generator) -> Indices:
    """Positions: a random one of each label in turn, the rarest label first, equals at random."""
    order = rng.permutation(len(labels))
    counts = np.bincount(labels)
    turn = rng.permutation(len(counts))
    shuffled = labels[order]
    by_label = np.argsort(shuffled, kind="stable")
    starts = np.searchsorted(shuffled[by_label], shuffled)
    rounds = np.empty(len(labels), np.int64)
    rounds[by_label] = np.arange(len(labels))
    rounds -= starts
    return order[np.lexsort((turn[shuffled], counts[shuffled], rounds))[:budget]]
