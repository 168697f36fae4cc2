"""Batches by a kernel that has no features: columns of it are made when they are needed.

A column of the kernel given observations ``S`` is ``k(., z) - k(., S) (k(S, S) + noise)^-1 k(S,
z)``. It is made block by block of the pool, from as many columns of the plain kernel as there are
observations, so that nothing but a few numbers a row is kept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import beside, dense, host
from querist.strategies.conditioning import NOTHING, Matrix, Vector, best_free
from querist.strategies.kernels import Kernel
from querist.strategies.rows import Rows

Indices = NDArray[np.int64]


class KernelPool:
    """A pool in the space of a kernel.

    Args:
        kernel: The plain kernel.
        rows: ``(n, d)`` inputs of the pool.
        labelled: ``(m, d)`` labelled inputs.
    """

    def __init__(self, kernel: Kernel, rows: Rows, labelled: Matrix) -> None:
        self.kernel, self.rows, self.labelled = kernel, rows, labelled
        self.factor = 1.0
        self.seen = np.zeros((0, rows.shape[1]))
        self.noises = np.zeros(0)
        self.inverse = np.zeros((0, 0))

    def __len__(self) -> int:
        return len(self.rows)

    def scale(self) -> None:
        """The mean variance of labelled rows, or of the pool where there are none, becomes one."""
        mean = self.diagonal_of(self.labelled).mean() if len(self.labelled) else 0.0
        if not len(self.labelled):
            mean = self.diagonal().mean()
        self.factor /= mean if mean > 0.0 else 1.0

    def observe(self, rows: Matrix, noise: float) -> None:
        """Condition on rows observed with noise of this variance."""
        self.seen = np.concatenate([self.seen, rows])
        self.noises = np.concatenate([self.noises, np.full(len(rows), noise)])
        gram = self.factor * self.kernel.between(self.seen, self.seen)
        gram[np.diag_indices(len(gram))] += self.noises
        self.inverse = np.linalg.pinv(gram, rcond=NOTHING, hermitian=True)

    def observe_one(self, row: Matrix, noise: float, variance: float) -> None:
        """As :meth:`observe`, of one row whose variance given the others is known."""
        told, left = self.weights(row), variance + noise
        corner = np.full((1, 1), 1.0 / left)
        inner = self.inverse + told @ told.T / left
        self.inverse = np.block([[inner, -told / left], [-told.T / left, corner]])
        self.seen = np.concatenate([self.seen, row])
        self.noises = np.append(self.noises, noise)

    def row(self, index: int) -> Matrix:
        """``(1, d)`` one input of the pool."""
        return np.asarray(host(dense(self.rows.take([index]))), float)

    def weights(self, others: Matrix) -> Matrix:
        """``(s, k)`` how observations tell of others."""
        return np.asarray(self.inverse @ (self.factor * self.kernel.between(self.seen, others)))

    def diagonal(self) -> Vector:
        """``(n,)`` variances of the pool."""
        return np.concatenate([self.diagonal_of(dense(block)) for _, block in self.rows.blocks()])

    def diagonal_of(self, block: NDArray[np.float64]) -> Vector:
        """``(k,)`` variances of inputs."""
        found = self.factor * np.asarray(host(self.kernel.diagonal(block)), float)
        if len(self.seen):
            told = self.factor * self.kernel.between(block, beside(self.seen, block))
            known = np.asarray(host(told), float)
            found = found - (known @ self.inverse * known).sum(axis=1)
        return np.asarray(np.maximum(found, 0.0))

    def column(self, other: Matrix) -> Vector:
        """``(n,)`` covariances of the pool with one input ``(1, d)``."""
        sources = other if not len(self.seen) else np.concatenate([other, self.seen])
        weights = np.ones((1, 1))
        if len(self.seen):
            weights = np.concatenate([weights, -self.weights(other)])
        parts = []
        for _, block in self.rows.blocks():
            wide = dense(block)
            plain = self.kernel.between(wide, beside(sources, wide)) @ beside(weights, wide)
            parts.append(np.asarray(host(plain[:, 0]), float))
        return self.factor * np.concatenate(parts)

    def max_det(self, budget: int, noise: float, labelled: bool) -> tuple[Indices, Vector]:
        """Again and again the highest variance, given all before."""
        if labelled:
            self.observe(self.labelled, noise)
        left, most = self.diagonal(), 0.0
        taken = np.zeros(len(self), bool)
        picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
        for place in range(budget):
            picks[place] = best = best_free(left, taken)
            scores[place], taken[best], most = left[best], True, max(most, float(left[best]))
            if left[best] > NOTHING * most:
                row, variance = self.row(best), float(left[best])
                column = self.column(row)
                left = np.maximum(left - column * column / (variance + noise), 0.0)
                self.observe_one(row, noise, variance)
        return picks, scores

    def by_distance(
        self, budget: int, labelled: bool, choose: Callable[[Nearest, Vector], int]
    ) -> tuple[Indices, Vector]:
        """Picks by the squared distance to the nearest before; ``choose`` says which is next."""
        nearest = Nearest(self.diagonal())
        for row in self.labelled if labelled else ():
            nearest.add(self.column(row[None]), float(self.diagonal_of(row[None])[0]))
        picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
        for place in range(budget):
            picks[place] = best = choose(nearest, nearest.diagonal)
            scores[place] = nearest.squares[best] if nearest.count else nearest.diagonal[best]
            nearest.take(best, self.column(self.row(best)))
        return picks, scores


class Nearest:
    """Squared distance of each row to the nearest centre, which it is, and what is taken."""

    def __init__(self, diagonal: Vector) -> None:
        self.diagonal = diagonal
        self.squares = np.full(len(diagonal), np.inf)
        self.which = np.zeros(len(diagonal), np.int64)
        self.taken = np.zeros(len(diagonal), bool)
        self.count = 0

    def add(self, column: Vector, variance: float) -> None:
        """Let a centre count, of which this is the column of the kernel."""
        found = np.maximum(self.diagonal + variance - 2.0 * column, 0.0)
        nearer = found < self.squares
        self.squares[nearer], self.which[nearer] = found[nearer], self.count
        self.count += 1

    def take(self, row: int, column: Vector) -> None:
        """Pick a row of the pool."""
        self.add(column, float(self.diagonal[row]))
        self.taken[row], self.squares[row] = True, 0.0

    def farthest(self, diagonal: Vector) -> int:
        """MaxDist: the farthest; the first is that of the largest norm."""
        return best_free(self.squares if self.count else diagonal, self.taken)

    def largest_cluster(self, diagonal: Vector) -> int:
        """LCMD: the farthest in the cluster of the largest sum."""
        if not self.count:
            return self.farthest(diagonal)
        sizes = np.bincount(self.which, weights=self.squares, minlength=self.count)
        inside = (self.which == sizes.argmax()) & ~self.taken
        outside = ~inside if inside.any() else self.taken
        return best_free(self.squares, outside)

    def drawn(self, rng: np.random.Generator) -> int:
        """k-means++: with probability in proportion to the squared distance."""
        free = np.flatnonzero(~self.taken)
        weights = self.squares[free] if self.count else np.zeros(len(free))
        total = float(weights.sum())
        if not total > 0.0:
            return int(rng.choice(free))
        return int(rng.choice(free, p=weights / total))
