"""Gaussian variances of a pool, and what they become when rows of it are observed.

The prior is that of linear regression with independent standard normal weights: the covariance of
two rows is the inner product of their features. Observing a row with noise of variance ``s`` takes
``c c'`` from the covariance, ``c`` being its column divided by the root of its variance plus ``s``
(a step of Cholesky's method). That column is one product of the pool with one vector, so neither
the kernel matrix nor the columns are kept: ``n`` variances and a vector an observation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, ShapeError
from querist.strategies.arrays import Array, beside, dense, host, namespace, rows_at
from querist.strategies.rows import Rows

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
# A variance below this share of the largest is rounding.
NOTHING = 1e-13
COLUMNS = 256
# Rows that are brought up to date at once, and how much dearer one is than in a pass over all.
HOT, DEARER = 64, 4


def matrix(rows: Rows | None, like: Rows) -> Matrix:
    """``(m, d)`` labelled rows in float64 on the host; none where nothing is labelled.

    Raises:
        ShapeError: If they have another number of features than the pool.
    """
    if rows is None or not len(rows):
        return np.zeros((0, like.shape[1]))
    if rows.shape[1:] != like.shape[1:]:
        raise ShapeError(
            f"{rows.name} have {rows.shape[1]} features, but {like.name} have {like.shape[1]}."
        )
    return np.asarray(host(dense(rows.whole())), float)


def squares(block: Array) -> Array:
    """``(k,)`` squared norms in float64."""
    wide = dense(block)
    return namespace(wide).einsum("ij,ij->i", wide, wide)


def mean_square(rows: Rows) -> float:
    """Mean squared norm of rows; 1 where all are zero, so that it can be a unit."""
    total = sum(float(squares(block).sum()) for _, block in rows.blocks())
    return total / len(rows) if total > 0.0 else 1.0


def noise_variance(noise: float, rows: Rows) -> float:
    """Variance of the noise from its share of the pool's mean squared norm.

    Raises:
        ConfigError: If it is not above zero.
    """
    if not (np.isfinite(noise) and noise > 0.0):
        raise ConfigError(
            f"noise is a share of the features' mean squared norm above 0, got {noise}."
        )
    return noise * mean_square(rows)


def observed(rows: Matrix, noise: float) -> Matrix:
    """``(r, d)`` directions ``U`` with ``I - U'U`` the covariance of the weights after observing.

    Args:
        rows: ``(m, d)`` what was observed.
        noise: Variance of its noise, above zero.
    """
    m, d = rows.shape
    if not m:
        return np.zeros((0, d))
    small = rows.T @ rows if d <= m else rows @ rows.T
    values, vectors = np.linalg.eigh(small)
    kept = values > NOTHING * max(float(values[-1]), np.finfo(float).tiny)
    values, vectors = values[kept], vectors[:, kept]
    axes = vectors.T if d <= m else (vectors.T @ rows) / np.sqrt(values)[:, None]
    return np.asarray(np.sqrt(values / (values + noise))[:, None] * axes)


class Conditioned:
    """Variances of a pool after observing some rows.

    Args:
        rows: Features ``(n, d)`` of the pool.
        labelled: ``(m, d)`` features of what was observed before.
        noise: Variance of the noise of every observation, 0 where it is exact.
        room: How many rows of the pool will be observed.

    Attributes:
        variances: ``(n,)`` float64 on the host; after :meth:`learn` upper bounds.
    """

    def __init__(self, rows: Rows, labelled: Matrix, noise: float, room: int) -> None:
        self.rows, self.noise = rows, noise
        start = observed(labelled, max(noise, np.finfo(float).tiny))
        self.directions = np.zeros((len(start) + room, rows.shape[1]))
        self.directions[: len(start)] = start
        self.count = len(start)
        self.variances = np.zeros(len(rows))
        for begin, block in rows.blocks():
            wide = dense(block)
            left = np.asarray(host(squares(wide)), float) - _told(wide, start)
            self.variances[begin : begin + len(block)] = np.maximum(left, 0.0)
        self.most = float(self.variances.max(initial=0.0))
        self._applied = np.full(len(rows), self.count, np.int32)
        self._work = 0

    def direction(self, row: int) -> Vector:
        """``(d,)`` vector whose product with features is the row's column; zero if it is known."""
        own = np.asarray(host(dense(self.rows.take([row])))[0], float)
        known = self.directions[: self.count]
        left = own - known.T @ (known @ own)
        variance = float(own @ left)
        if variance <= NOTHING * self.most:
            return np.zeros(len(own))
        return np.asarray(left / np.sqrt(variance + self.noise))

    def learn(self, row: int) -> Vector:
        """Observe a row of the pool; the vector of it. Variances are then upper bounds."""
        found = self.direction(row)
        self.directions[self.count] = found
        self.count += 1
        return found

    def add(self, row: int) -> None:
        """Observe a row of the pool and bring all variances up to date."""
        self.learn(row)
        self.refresh_all()

    def refresh_all(self) -> None:
        """Bring every variance up to date in one pass."""
        first = int(self._applied.min())
        pending = self.directions[first : self.count]
        if pending.any():
            for start, block in self.rows.blocks():
                here = slice(start, start + len(block))
                told = _told(dense(block), pending, self._applied[here] - first)
                self.variances[here] = np.maximum(self.variances[here] - told, 0.0)
        self._applied[:] = self.count

    def _refresh(self, rows: NDArray[np.int64]) -> None:
        """Bring some variances up to date."""
        features = dense(self.rows.take(rows))
        for known in np.unique(self._applied[rows]).tolist():
            mine = np.flatnonzero(self._applied[rows] == known)
            told = _told(rows_at(features, mine), self.directions[known : self.count])
            self.variances[rows[mine]] = np.maximum(self.variances[rows[mine]] - told, 0.0)
        self._applied[rows] = self.count

    def highest(self, taken: NDArray[np.bool_]) -> int:
        """The row of the highest variance of those not taken, equals by index.

        Variances only fall, so an old one is an upper bound: only rows whose bound reaches the
        best are brought up to date, unless that has become more work than a pass over all.
        """
        while True:
            bounds = np.where(taken, -np.inf, self.variances)
            best = int(bounds.argmax())
            if self._applied[best] == self.count:
                return best
            fresh = self._applied == self.count
            least = float(bounds[fresh].max(initial=-np.inf))
            stale = np.flatnonzero((bounds >= least) & ~fresh & ~taken)
            if len(stale) > HOT:
                stale = stale[np.argpartition(-bounds[stale], HOT)[:HOT]]
            self._work += len(stale)
            if DEARER * self._work > len(bounds):
                self.refresh_all()
                self._work = 0
            else:
                self._refresh(np.sort(stale))


def _told(block: Array, directions: Matrix, known: NDArray[np.int32] | None = None) -> Vector:
    """``(k,)`` what directions take from the variances of rows; the first ``known`` already did."""
    total = np.zeros(len(block))
    for first in range(0, len(directions), COLUMNS):
        some = directions[first : first + COLUMNS]
        product = block @ beside(some.T.copy(), block)
        if known is not None and known.any():
            new = first + np.arange(len(some)) >= known[:, None]
            product = product * beside(new.astype(float), product)
        total += np.asarray(host(squares(product)), float)
    return total


def product(block: Array, one: Vector) -> Vector:
    """``(k,)`` float64 inner products of rows with a vector, on the host."""
    wide = dense(block)
    return np.asarray(host(wide @ beside(one, wide)), float)


def best_free(scores: Vector, taken: NDArray[np.bool_]) -> int:
    """The highest of what is not taken, equals by index."""
    return int(np.where(taken, -np.inf, scores).argmax())
