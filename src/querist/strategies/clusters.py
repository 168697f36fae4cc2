"""k-means clusters of a pool, without a matrix of rows by clusters.

After an iteration most centres rest. A row whose own centre did not move away from it is still
nearer to it than to every centre that rested, so it is compared only with those that moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import Array, add_rows, beside, float64, host, namespace, rows_at
from querist.strategies.geometry import CENTRES, Centres, Indices, Points, Space
from querist.strategies.squared import Draws


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """A partition of a pool.

    Attributes:
        labels: ``(n,)`` cluster of each row, every cluster having at least one.
        means: ``(k, d)`` float64 mean of each cluster, beside the pool.
    """

    labels: Indices
    means: Array


def cluster(
    space: Space,
    count: int,
    rng: np.random.Generator,
    iterations: int,
    weights: NDArray[np.float64] | None = None,
) -> Clusters:
    """Lloyd's algorithm from k-means++ seeds, at most so many iterations.

    A cluster that loses all rows gets the row that lies farthest from its centre. ``weights`` of
    rows, above zero, count in the seeding and in the means.
    """
    draws = Draws(space, None, count, weights)
    odds = None if weights is None else weights / weights.sum()
    first = rng.integers(space.count) if odds is None else rng.choice(space.count, p=odds)
    draws.run(rng, int(first))
    lloyd = _Lloyd(space, np.array(draws.picks), weights)
    for _ in range(iterations):
        if not lloyd.iterate():
            break
    return Clusters(lloyd.labels, lloyd.means)


class _Lloyd:
    """Centres, and each row's nearest with its (float32) squared distance."""

    def __init__(
        self, space: Space, seeds: Indices, weights: NDArray[np.float64] | None = None
    ) -> None:
        self.space, self.count, self.weights = space, len(seeds), weights
        self.means: Array = float64(space.points(seeds).raw[0])
        self.sums: Array = namespace(self.means).zeros_like(self.means)
        self.labels = np.full(space.count, -1)
        self.distances = np.full(space.count, np.inf, np.float32)
        self._moved = np.ones(self.count, bool)

    def iterate(self) -> bool:
        """Assign rows and move centres; whether anything changed."""
        before = self.labels.copy()
        self._assign()
        self._fill_empty()
        sizes = np.bincount(self.labels, self.weights, self.count)
        changed = before != self.labels
        touched = np.zeros(self.count, bool)
        touched[self.labels[changed]] = True
        touched[before[changed & (before >= 0)]] = True
        self._moved = touched
        self.means = self.sums / beside(sizes.astype(float)[:, None], self.sums)
        return bool(changed.any())

    def _assign(self) -> None:
        """Each row to its nearest centre, equals by order."""
        everything = self._centres(np.arange(self.count))
        moved = np.flatnonzero(self._moved)
        some = self._centres(moved)
        for start, points in self.space.blocks():
            here = slice(start, start + len(points))
            before = self.labels[here].copy()
            if len(moved) < self.count:
                self._reassign(here, points, (everything, some, moved))
            else:
                self.distances[here], self.labels[here] = _nearest(self.space, points, everything)
            self._count(points, before, here)

    def _count(self, points: Points, before: Indices, here: slice) -> None:
        """Move rows that changed from the sum of one cluster to that of another."""
        after = self.labels[here]
        changed = np.flatnonzero(before != after)
        raw = float64(points.at(changed).raw[0]) if len(changed) else None
        if raw is not None and self.weights is not None:
            raw = raw * beside(self.weights[here][changed][:, None], raw)
        if raw is not None:
            known = before[changed] >= 0
            add_rows(self.sums, after[changed], raw)
            if known.any():
                add_rows(self.sums, before[changed][known], -rows_at(raw, np.flatnonzero(known)))

    def _reassign(
        self, here: slice, points: Points, centres: tuple[Centres, Centres, Indices]
    ) -> None:
        """Compare rows with what can have become nearest."""
        everything, some, moved = centres
        labels, distances = self.labels[here], self.distances[here]
        near = np.flatnonzero(self._moved[labels])
        own = _own(points.at(near), everything, labels[near])
        far = near[own > distances[near]]
        distances[near] = own
        if len(moved):
            found, which = _nearest(self.space, points, some)
            rival = moved[which]
            better = (found < distances) | ((found == distances) & (rival < labels))
            distances[better], labels[better] = found[better], rival[better]
        if len(far):
            distances[far], labels[far] = _nearest(self.space, points.at(far), everything)

    def _centres(self, which: Indices) -> Centres:
        centres = Centres(self.space, None, max(1, len(which)))
        if len(which):
            centres.add(self.space.points_of([rows_at(self.means, which)]))
        return centres

    def _fill_empty(self) -> None:
        """Give clusters without rows the rows farthest from their centres."""
        sizes = np.bincount(self.labels, minlength=self.count)
        for empty in np.flatnonzero(sizes == 0):
            able = sizes[self.labels] > 1
            row = int(np.where(able, self.distances, -np.inf).argmax())
            before = self.labels[row : row + 1].copy()
            self.labels[row], self.distances[row] = empty, 0.0
            self._count(self.space.points(np.array([row])), before, slice(row, row + 1))
            sizes[before[0]] -= 1
            sizes[empty] = 1


def _own(points: Points, centres: Centres, labels: Indices) -> NDArray[np.float32]:
    """Float32 squared distance of each row to its own centre."""
    if not len(points):
        return np.zeros(0, np.float32)
    mine = rows_at(centres.doubled, labels)
    products = namespace(mine).einsum("ij,ij->i", mine, points.fast[0])
    return np.asarray(host(products + rows_at(centres.norms, labels) + points.norms), np.float32)


def _nearest(space: Space, points: Points, centres: Centres) -> tuple[NDArray[np.float32], Indices]:
    """Float32 squared distance to the nearest centre, and which it is, equals by order."""
    best: NDArray[np.float32] = np.full(len(points), np.inf, np.float32)
    which = np.zeros(len(points), np.int64)
    for start in range(0, centres.count, CENTRES):
        products = space.products(points, centres, start, min(centres.count, start + CENTRES))
        xp = namespace(products)
        found, rank = host(xp.amin(products, axis=0)), host(xp.argmin(products, axis=0))
        better = found < best
        best[better], which[better] = found[better], start + rank[better]
    return best + host(points.norms), which


def assigned(space: Space, means: Array) -> Indices:
    """``(n,)`` which of some means is nearest to each row, equals by order."""
    centres, labels = Centres(space, None, len(means)), np.zeros(space.count, np.int64)
    centres.add(space.points_of([means]))
    for start, points in space.blocks():
        labels[start : start + len(points)] = _nearest(space, points, centres)[1]
    return labels


def nearest_members(space: Space, found: Clusters) -> Indices:
    """``(k,)`` of each cluster the row nearest to its mean; equals (to 1e-9) by index."""
    best = np.full(len(found.means), np.inf)
    rows = np.full(len(found.means), -1)
    for start, points in space.blocks():
        labels = found.labels[start : start + len(points)]
        apart = float64(points.raw[0]) - rows_at(found.means, labels)
        distances = host(namespace(apart).einsum("ij,ij->i", apart, apart))
        nearest = np.full(len(best), np.inf)
        np.minimum.at(nearest, labels, distances)
        close = np.flatnonzero(distances <= nearest[labels] * (1.0 + 1e-9))
        _, first = np.unique(labels[close], return_index=True)
        chosen = close[first]
        better = distances[chosen] < best[labels[chosen]] * (1.0 - 1e-9)
        better |= rows[labels[chosen]] < 0
        rows[labels[chosen[better]]] = start + chosen[better]
        best[labels[chosen[better]]] = distances[chosen[better]]
    return rows


def representatives(
    space: Space,
    count: int,
    rng: np.random.Generator,
    iterations: int,
    weights: NDArray[np.float64] | None = None,
) -> tuple[Indices, NDArray[np.float64]]:
    """Of each of so many clusters the row nearest to its mean, the weightiest cluster first.

    Returns:
        ``(count,)`` rows, and the share of the pool's weight that the cluster of each holds.
    """
    found = cluster(space, count, rng, iterations, weights)
    rows = nearest_members(space, found)
    sizes = np.bincount(found.labels, weights, count)
    order = np.lexsort((rows, -sizes))
    return rows[order], sizes[order] / sizes.sum()
