"""Average-linkage clustering in memory that grows with the rows, not with their pairs.

The mean squared distance between the members of two clusters is the sum of the two means of squared
norms less twice the inner product of the two means. So a mean vector and a mean squared norm stand
for a cluster, and the tree of average linkage under squared Euclidean distance is exact without a
matrix of distances. It is built along chains of nearest neighbours (Benzécri 1982; Murtagh 1983),
each found in one product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import Array

Indices = NDArray[np.int64]
# Distances that differ by less than rounding are equal.
EQUAL = 1.0 - 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Leaves:
    """What a tree grows from: rows, or groups of them.

    Attributes:
        means: ``(m, d)`` float64 mean of each group.
        squares: ``(m,)`` float64 mean squared norm of its rows.
        sizes: ``(m,)`` how many rows it has.
    """

    means: Array
    squares: Array
    sizes: NDArray[np.float64]


class Tree:
    """Merges of leaves into one cluster; the leaves' arrays are used up."""

    def __init__(self, leaves: Leaves) -> None:
        self._means, self._squares, self._sizes = leaves.means, leaves.squares, leaves.sizes
        self.count = len(leaves.sizes)
        self._merges: list[tuple[float, int, int]] = []
        self._build()

    def cut(self, clusters: int, threshold: float | None = None) -> Indices:
        """``(m,)`` cluster of each leaf, numbered from 0.

        Args:
            clusters: How many there shall be.
            threshold: Instead: merge what lies no farther apart (in squared distance) than this.
        """
        parents = np.arange(self.count)
        done = self.count - clusters
        if threshold is not None:
            done = sum(height <= threshold for height, _, _ in self._merges)
        for _, one, other in sorted(self._merges)[:done]:
            parents[_root(parents, one)] = _root(parents, other)
        roots = np.array([_root(parents, leaf) for leaf in range(self.count)])
        return np.unique(roots, return_inverse=True)[1]

    def _build(self) -> None:
        chain: list[tuple[int, float]] = []  # clusters, and how far each is from the one before
        alive = set(range(self.count))
        while len(alive) > 1:
            if not chain:
                chain = [(min(alive), np.inf)]
            top, before = chain[-1]
            nearest, height = self._nearest(top)
            if height < before * EQUAL or len(chain) == 1:
                chain.append((nearest, height))
                continue
            other = chain[-2][0]
            self._merges.append((before, top, other))
            self._merge(top, other)
            alive.remove(other)
            del chain[-2:]

    def _nearest(self, one: int) -> tuple[int, float]:
        """The cluster nearest to one, and its mean squared distance."""
        apart = self._means @ self._means[one]
        apart *= -2.0
        apart += self._squares
        apart[one] = np.inf
        nearest = int(apart.argmin())
        return nearest, max(0.0, float(apart[nearest]) + float(self._squares[one]))

    def _merge(self, one: int, other: int) -> None:
        """Put the second cluster into the first."""
        total = self._sizes[one] + self._sizes[other]
        share = float(self._sizes[other] / total)
        for held in (self._means, self._squares):
            held[one] = held[one] * (1.0 - share) + held[other] * share
        self._sizes[one] = total
        self._squares[other] = np.inf


def _root(parents: Indices, leaf: int) -> int:
    while parents[leaf] != leaf:
        parents[leaf] = leaf = int(parents[parents[leaf]])
    return leaf
