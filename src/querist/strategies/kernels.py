"""Kernels on features, and what makes other kernels of them, as in bmdal_reg.

Holzmüller et al. 2023 (arXiv 2203.09410), section 4.1. A kernel with features of its own is the
inner product of :class:`Features`; transforms change the features, a block at a time. The kernel of
an infinitely wide network has none: see :mod:`querist.strategies.kernel_space`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, beside, dense, filled, namespace
from querist.strategies.conditioning import Matrix, mean_square, observed, squares
from querist.strategies.mapped import Mapped, held
from querist.strategies.rows import Rows, rows_of

Map = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features of pool and labelled rows, of which the kernel is the inner product.

    Attributes:
        pool: ``(n, d)``.
        labelled: ``(m, d)`` float64 on the host.
    """

    pool: Rows
    labelled: Matrix

    def mapped(self, function: Map, width: int) -> Features:
        """Other features of the same rows."""
        labelled = function(self.labelled) if len(self.labelled) else np.zeros((0, width))
        return Features(Mapped([self.pool], function, width), labelled)

    def train(self) -> Rows | None:
        """The labelled features as rows; None where there are none."""
        if not len(self.labelled):
            return None
        return rows_of("labelled_embeddings", self.pool.need, self.labelled)

    def settled(self) -> Features:
        """The same with the pool's features in memory, if they are few."""
        return Features(held(self.pool), self.labelled)

    def members(self, count: int) -> list[Features]:
        """The features of each of several models, that lie side by side.

        Raises:
            ConfigError: If the width is no multiple of their number.
        """
        width, rest = divmod(self.pool.shape[1], count)
        if rest or count < 1:
            raise ConfigError(f"{self.pool.shape[1]} features are not those of {count} members.")
        return [self.mapped(_part(i * width, (i + 1) * width), width) for i in range(count)]


def _part(first: int, last: int) -> Map:
    return lambda block: block[:, first:last]


def ensemble(members: list[Features]) -> Features:
    """The sum of the members' kernels: their features side by side (section 4.1.4)."""
    if len(members) == 1:
        return members[0]
    width = sum(one.pool.shape[1] for one in members)
    pool = Mapped(
        [one.pool for one in members],
        lambda *blocks: namespace(blocks[0]).concatenate([dense(b) for b in blocks], axis=1),
        width,
    )
    return Features(pool, np.concatenate([one.labelled for one in members], axis=1))


def with_bias(features: Features) -> Features:
    """The gradient of a last layer with a bias: a one more (section 4.1.1)."""

    def extend(block: Array) -> Array:
        wide = dense(block)
        one = filled((len(wide), 1), 1.0, "float64", wide)
        return namespace(wide).concatenate([wide, one], axis=1)

    return features.mapped(extend, features.pool.shape[1] + 1)


def scale(features: Features) -> Features:
    """The mean squared norm of labelled rows, or of the pool where there are none, is one."""
    train = features.train()
    factor = mean_square(features.pool if train is None else train) ** -0.5
    return features.mapped(lambda block: dense(block) * factor, features.pool.shape[1])


def posterior(features: Features, sigma: float) -> Features:
    """The covariance after observing the labelled rows with noise ``sigma`` (section 4.1.2)."""
    told = observed(features.labelled, positive("posterior", sigma) ** 2)
    known = (told**2).sum(axis=1)
    factors = (np.sqrt(1.0 - known) - 1.0) / known

    def root(block: Array) -> Array:
        wide = dense(block)
        along = (wide @ beside(told.T.copy(), wide)) * beside(factors, wide)
        return wide + along @ beside(told, wide)

    return features.mapped(root, features.pool.shape[1]) if len(told) else features


def sketch(features: Features, width: int, rng: np.random.Generator) -> Features:
    """Gaussian projections: unbiased for every value of the kernel (section 4.1.3)."""
    directions = rng.normal(size=(features.pool.shape[1], width)) / width**0.5
    return features.mapped(lambda block: _times(block, directions), width)


def random_features(
    features: Features, width: int, sigma: float, rng: np.random.Generator
) -> Features:
    """ACS-RF: the expected log likelihood under posterior samples (section 4.1.5)."""
    noise = positive("acs-rf", sigma) ** 2
    d = features.pool.shape[1]
    told = observed(features.labelled, noise)
    known = (told**2).sum(axis=1)
    drawn = rng.normal(size=(d, width))
    samples = drawn + told.T @ (((np.sqrt(1.0 - known) - 1.0) / known)[:, None] * (told @ drawn))

    def expected(block: Array) -> Array:
        wide = dense(block)
        left = squares(wide) - squares(_times(wide, told.T)) if len(told) else squares(wide)
        variance = namespace(wide).clip(left, 0.0, None)[:, None]
        values = _times(wide, samples)
        gain = 0.5 * namespace(wide).log1p(variance / noise)
        return (gain - (values * values + variance) / (2.0 * noise)) / width**0.5

    return features.mapped(expected, width)


def _times(block: Array, matrix: NDArray[np.float64]) -> Array:
    wide = dense(block)
    return wide @ beside(np.ascontiguousarray(matrix), wide)


def positive(name: str, value: float) -> float:
    """A number above zero.

    Raises:
        ConfigError: If it is not.
    """
    if not (np.isfinite(value) and value > 0.0):
        raise ConfigError(f"{name} wants a sigma above 0, got {value}.")
    return float(value)


def nngp(layers: int = 3, weight_gain: float = 0.25, sigma_b: float = 0.0) -> Kernel:
    """The kernel of an infinitely wide ReLU network before training (Lee et al. 2019).

    Args:
        layers: Number of linear layers.
        weight_gain: Standard deviation of weights, times the root of the fan-in.
        sigma_b: Standard deviation of biases.
    """
    return Kernel(int(layers), weight_gain**2, sigma_b**2)


@dataclass(frozen=True, slots=True)
class Kernel:
    """An arc-cosine kernel of order one, iterated (Cho & Saul 2009, eq. 6)."""

    layers: int
    weights: float
    biases: float

    def first(self, products: Array, width: int) -> Array:
        """Covariances behind the first layer of inner products of inputs."""
        return products * (self.weights / width) + self.biases

    def diagonal(self, block: Array) -> Array:
        """``(k,)`` variance of each row."""
        found = self.first(squares(block), block.shape[1])
        for _ in range(self.layers - 1):
            found = found * (self.weights / 2.0) + self.biases
        return found

    def between(self, block: Array, rows: Array) -> Array:
        """``(k, r)`` covariances of rows with others of the same library."""
        xp, width = namespace(block), block.shape[1]
        found = self.first(block @ rows.T, width)
        one = self.first(squares(block), width)[:, None]
        other = self.first(squares(rows), width)[None, :]
        for _ in range(self.layers - 1):
            lengths = xp.sqrt(one * other)
            cosine = xp.clip(found / (lengths + 1e-300), -1.0, 1.0)
            angle = xp.arccos(cosine)
            arc = xp.sqrt(1.0 - cosine * cosine) + (np.pi - angle) * cosine
            found = lengths * arc * (self.weights / (2.0 * np.pi)) + self.biases
            one, other = (x * (self.weights / 2.0) + self.biases for x in (one, other))
        return found
