"""LCMD: the farthest member of the largest cluster."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import Array, host, namespace
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import (
    CENTRES,
    ROWS,
    Centres,
    Points,
    Space,
    labelled_points,
    largest,
    squared_norms,
)
from querist.strategies.rows import Rows

# Numbers of prepared features that may be held to spare preparing them anew for each pick.
HELD = 1 << 24


@batchwise(
    paper="Holzmüller, Zaverkin, Kästner & Steinwart 2023 (arXiv 2203.09410), section 4; as "
    "their program bmdal_reg computes it",
    cost="O(n (b + m) d) time, m labelled; O(n + b d) memory, and n d float32 where features must "
    "be centred or converted, up to 64 MB",
    use="The first choice for batches in regression, on gradient or last-layer features.",
)
def lcmd(embeddings: Rows, labelled_embeddings: Rows | None = None, *, budget: int) -> Picks:
    """Cluster rows by the nearest labelled or picked row; pick in the largest cluster.

    A cluster's size is the sum of the squared distances of its members from its centre; of its
    members the farthest is picked. Without labels the first pick has the largest norm. A score is
    the squared distance from the centre; of that first pick, the squared norm.
    """
    space = Space([embeddings])
    labelled = labelled_points(space, labelled_embeddings)
    clusters = _Clusters(space, labelled, budget)
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        row = clusters.next(picks)
        scores.append(clusters.add(row))
        picks.append(row)
    return np.array(picks), np.array(scores)


class _Clusters:
    """Which centre each row is nearest to, and its squared distance."""

    def __init__(self, space: Space, labelled: Points | None, budget: int) -> None:
        self.space = space
        self.centres = Centres(space, labelled, budget)
        self.distances = np.full(space.count, np.inf, np.float32)
        self.nearest = np.zeros(space.count, np.int64)
        self._held: list[tuple[int, Points]] | None = None
        for start in range(0, self.centres.count, CENTRES):
            self._update(start, min(self.centres.count, start + CENTRES))

    def next(self, picks: list[int]) -> int:
        """The farthest member of the largest cluster, equals by index."""
        if not self.centres.count:
            return largest(self.space)[0]
        sizes = np.bincount(self.nearest, weights=self.distances, minlength=self.centres.count)
        members = np.flatnonzero(self.nearest == sizes.argmax())
        row = int(members[self.distances[members].argmax()])
        if self.distances[row] <= 0.0:  # all that remains equals something picked
            free = np.ones(self.space.count, bool)
            free[picks] = False
            row = int(np.flatnonzero(free)[0])
        return row

    def add(self, row: int) -> float:
        """Make a row of the pool a centre; returns its squared distance from the one before."""
        point = self._point(row)
        if self.centres.count:
            centre = self.centres.raw_at(self.nearest[row : row + 1])
            score = float(self.space.apart(point.raw, centre)[0])
        else:
            score = float(squared_norms(point)[0])
        self.centres.add(point)
        self._update(self.centres.count - 1, self.centres.count)
        self.distances[row] = 0.0
        return score

    def _point(self, row: int) -> Points:
        if self._held is None:
            return self.space.points(np.array([row]))
        start, points = self._held[row // ROWS]
        return points.at(slice(row - start, row - start + 1))

    def _update(self, first: int, last: int) -> None:
        for start, points in self._blocks():
            found, which = _least(self.space, self.centres, points, first, last)
            here = slice(start, start + len(points))
            nearer = found < self.distances[here]
            self.distances[here][nearer] = found[nearer]
            self.nearest[here][nearer] = first + which[nearer]

    def _blocks(self) -> Iterable[tuple[int, Points]]:
        """Blocks of the pool, prepared once if there is room."""
        if self._held is None and self._may_hold():
            self._held = list(self.space.blocks())
        return self.space.blocks() if self._held is None else self._held

    def _may_hold(self) -> bool:
        free = self.space.factors[0].in_memory and not self.space.prepares
        return free or self.space.count * self.space.width <= HELD


def _least(
    space: Space, centres: Centres, points: Points, first: int, last: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Squared distance to the nearest of some centres, and which it is, equals by order."""
    products = space.products(points, centres, first, last)
    xp = namespace(products)
    which: Array = xp.argmin(products, axis=0)
    found = xp.clip(xp.amin(products, axis=0) + points.norms, 0.0, None)
    return host(found), host(which)
