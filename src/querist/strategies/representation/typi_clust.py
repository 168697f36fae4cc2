"""TypiClust: typical rows of clusters in which nothing is labelled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.clusters import cluster
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Indices, Space
from querist.strategies.pairs import mean_neighbour_distances
from querist.strategies.rows import Rows
from querist.strategies.stacked import Stacked

ITERATIONS = 20
# Clusters of so few rows come last; added to a distance, so that duplicates are not infinitely
# typical. Both as in the authors' program.
SMALL = 5
CLOSEST = 1e-5


@batchwise(
    name="typiclust",
    paper="Hacohen, Dekel & Weinshall 2022 (arXiv 2202.02794), eq. 4 and algorithm 1",
    cost="O(n k d) time an iteration, k clusters, and O(m^2 d) a cluster of m rows; O(n + k d) "
    "memory",
    use="The first rounds of few labels, on self-supervised features; later, uncertainty.",
    aliases=("typi-clust",),
)
def typi_clust(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator,
    neighbours: int = 20,
    most_clusters: int = 500,
) -> Picks:
    """Cluster labelled rows and pool; of the largest clusters without a label, the most typical.

    k-means makes as many clusters as there are labels and picks, at most ``most_clusters``.
    Clusters with the fewest labels and picks come first, of those the largest. Typicality, which
    is the score, is the inverse of the mean distance to the nearest ``neighbours`` rows of the
    cluster.
    """
    if neighbours < 1 or most_clusters < 1:
        raise ConfigError("neighbours and most_clusters are at least 1.")
    rows = embeddings
    if labelled_embeddings is not None and len(labelled_embeddings):
        rows = Stacked(embeddings, labelled_embeddings)
    clusters = min(len(rows) - len(embeddings) + budget, most_clusters, len(rows))
    labels = cluster(Space([rows]), clusters, rng, ITERATIONS).labels
    typical = _Typical(rows, labels, len(embeddings), neighbours)
    picks = [typical.next() for _ in range(budget)]
    return np.array([row for row, _ in picks]), np.array([score for _, score in picks])


class _Typical:
    """Clusters, and what of them is labelled or picked."""

    def __init__(self, rows: Rows, labels: Indices, pool: int, neighbours: int) -> None:
        self.rows, self.labels, self.pool, self.neighbours = rows, labels, pool, neighbours
        self.sizes = np.bincount(labels)
        self.free = np.bincount(labels[:pool], minlength=len(self.sizes))
        self.covered = self.sizes - self.free
        _, self.first = np.unique(labels, return_index=True)
        self._queues: dict[int, list[tuple[int, float]]] = {}

    def next(self) -> tuple[int, float]:
        """The most typical row of the cluster whose turn it is."""
        able = np.flatnonzero(self.free)
        small, covered, sizes = self.sizes[able] <= SMALL, self.covered[able], self.sizes[able]
        turn = int(able[np.lexsort((self.first[able], -sizes, covered, small))[0]])
        if turn not in self._queues:
            self._queues[turn] = self._queue(turn)
        self.free[turn] -= 1
        self.covered[turn] += 1
        return self._queues[turn].pop()

    def _queue(self, turn: int) -> list[tuple[int, float]]:
        """Rows of the pool in a cluster, the most typical last."""
        members = np.flatnonzero(self.labels == turn)
        typicality = self._typicality(members)
        mine = members < self.pool
        members, typicality = members[mine], typicality[mine]
        order = np.lexsort((-members, typicality))
        return list(zip(members[order].tolist(), typicality[order].tolist(), strict=True))

    def _typicality(self, members: Indices) -> NDArray[np.float64]:
        if len(members) == 1:
            return np.zeros(1)
        count = min(self.neighbours, len(members) - 1)
        distances = mean_neighbour_distances(self.rows, members, count)
        return np.asarray(1.0 / (distances + CLOSEST), float)
