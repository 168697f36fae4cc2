"""Whether a pool has drifted: a two-sample test between what two rounds saw.

Of embeddings the squared maximum mean discrepancy with a Gaussian kernel, whose width is the median
distance (Gretton et al., JMLR 13, 2012, eq. 3, the unbiased estimate), of scores the
Kolmogorov-Smirnov distance. Both p-values are by permutation, so no distribution is assumed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError

PERMUTATIONS = 500
_MOST = 1000


class Drift(NamedTuple):
    """The outcome of a test.

    Attributes:
        method: mmd or kolmogorov-smirnov.
        statistic: Grows with the difference; about 0 without one.
        p_value: How often chance alone gives as much, in (0, 1].
        before: How many items of the earlier round were compared.
        after: How many of the later.
    """

    method: str
    statistic: float
    p_value: float
    before: int
    after: int

    def __str__(self) -> str:
        """One sentence."""
        verdict = "has drifted" if self.p_value < 0.01 else "shows no drift beyond chance"
        return (
            f"The pool {verdict}: {self.method} {self.statistic:.3g}, p = {self.p_value:.3g} "
            f"({self.before} items against {self.after})."
        )


def measure(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
) -> Drift:
    """Compare two samples.

    Args:
        before: ``(n, d)``; ``d`` = 1 for scores.
        after: ``(m, d)``.
        rng: Draws permutations, and at most 1,000 rows of each sample.
        permutations: How many.

    Raises:
        ShapeError: If the widths differ, or a sample has fewer than two rows.
    """
    if before.ndim != 2 or after.ndim != 2 or before.shape[1] != after.shape[1]:
        raise ShapeError(
            f"Rounds are compared by values of one width, got {before.shape} and {after.shape}; "
            "were they made by different models?"
        )
    if min(len(before), len(after)) < 2:
        raise ShapeError(f"Each round needs two rows, got {len(before)} and {len(after)}.")
    first, second = _some(before, rng), _some(after, rng)
    joined = np.concatenate([first, second])
    if joined.shape[1] == 1:
        statistic, drawn = _smirnov(joined[:, 0], len(first), rng, permutations)
        method = "kolmogorov-smirnov"
    else:
        statistic, drawn = _mmd(joined, len(first), rng, permutations)
        method = "mmd"
    p_value = (1 + int((drawn >= statistic).sum())) / (1 + permutations)
    return Drift(method, float(statistic), p_value, len(first), len(second))


def _some(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    if len(values) <= _MOST:
        return values
    return values[rng.choice(len(values), _MOST, replace=False)]


def _mmd(
    joined: NDArray[np.float64], n: int, rng: np.random.Generator, permutations: int
) -> tuple[float, NDArray[np.float64]]:
    norms = (joined**2).sum(axis=1)
    squared = np.maximum(norms[:, None] + norms - 2 * joined @ joined.T, 0)
    width = np.median(squared[np.triu_indices(len(joined), 1)]) or 1.0
    kernel = np.exp(-squared / width)
    np.fill_diagonal(kernel, 0)
    # All permutations in one product: a column of signs says which sample a row is of.
    total, m = len(joined), len(joined) - n
    first = np.zeros((total, permutations + 1))
    first[:n, 0] = 1
    for column in range(1, permutations + 1):
        first[rng.permutation(total)[:n], column] = 1
    inner = kernel @ first
    within = (first * inner).sum(axis=0)
    crossing = inner.sum(axis=0) - within
    rest = kernel.sum() - within - 2 * crossing
    found = within / (n * (n - 1)) + rest / (m * (m - 1)) - 2 * crossing / (n * m)
    return float(found[0]), found[1:]


def _smirnov(
    joined: NDArray[np.float64], n: int, rng: np.random.Generator, permutations: int
) -> tuple[float, NDArray[np.float64]]:
    order = np.argsort(joined, kind="stable")
    values = joined[order]
    last = np.append(values[1:] != values[:-1], True)  # of equal values the distance counts once

    def distance(first: NDArray[np.bool_]) -> float:
        one = np.cumsum(first[order]) / n
        two = np.cumsum(~first[order]) / (len(joined) - n)
        return float(np.abs(one - two)[last].max())

    labels = np.arange(len(joined)) < n
    drawn = [distance(rng.permutation(labels)) for _ in range(permutations)]
    return distance(labels), np.array(drawn)
