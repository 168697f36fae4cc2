"""How many labels of each class lie near each row: the counts of a Parzen window classifier.

A label counts for a row as much as a Gaussian of their distance says, so a row among many labels
has large counts, one far from all has none. Methods here want one label at a time; a batch is put
together as if a pick had been answered by its expected class.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, ShapeError
from querist.strategies.arrays import (
    Array,
    add_rows,
    beside,
    dense,
    dots,
    filled,
    host,
    namespace,
)
from querist.strategies.contract import Picks
from querist.strategies.errors import NeedError
from querist.strategies.pairs import Pairs, gaussian_sums, squared_distances
from querist.strategies.ranking import best_of, tie_keys, tie_seed
from querist.strategies.rows import Rows

Indices = NDArray[np.int64]
Vector = NDArray[np.float64]
# Labels that are compared with a block of the pool at a time.
LABELS = 256
# Of the mean criterion: how near to one a kernel must come for two rows to be told apart.
DELTA = math.sqrt(2.0) * 1e-6


class Near:
    """A Gaussian kernel between the rows of a pool and those that have a label.

    Args:
        embeddings: The pool.
        labelled: Rows that have a label; None or none at all at the beginning.
        classes: Their classes, numbered from 0.
        count: How many classes there are; None: as many as the labels show, at least two.
        gamma: The kernel is ``exp(-gamma |x - y|^2)``; None: by the mean criterion.

    Attributes:
        numbers: ``(m,)`` classes of the labelled rows.
        classes: How many there are.
        gamma: Of the kernel.
        known: ``(m, d)`` labelled rows, made ready by ``pairs``; None where there are none.

    Raises:
        NeedError: If labelled rows come without classes, or classes without rows.
        ShapeError: If their numbers differ, or classes are no whole numbers.
        ConfigError: If ``gamma`` or ``count`` cannot be.
    """

    def __init__(
        self,
        embeddings: Rows,
        labelled: Rows | None,
        classes: Rows | None,
        count: int | None = None,
        gamma: float | None = None,
    ) -> None:
        if gamma is not None and not 0.0 < gamma < math.inf:
            raise ConfigError(f"gamma is above 0, or None for the mean criterion; got {gamma}.")
        self.pairs = Pairs(embeddings).checked()
        self.numbers = told(labelled, classes, count)
        self.classes = count or max(2, int(self.numbers.max(initial=-1)) + 1)
        self.known = self.pairs.given(labelled)
        self.gamma = mean_gamma(self.pairs, self.known) if gamma is None else gamma

    def similar(self, one: Array, other: Array) -> Array:
        """``(p, k)`` kernel of two blocks that were made ready by ``pairs``."""
        return namespace(one).exp(-self.gamma * squared_distances(one, other))

    def densities(self) -> Vector:
        """``(n,)`` mean kernel with all rows, labelled ones too."""
        sums = gaussian_sums(self.pairs, self.gamma)
        if self.known is not None:
            for start, block in self.pairs.blocks():
                for first in range(0, len(self.known), LABELS):
                    near = self.similar(block, self.known[first : first + LABELS])
                    sums[start : start + len(block)] += host(namespace(near).sum(near, axis=1))
        return sums / (len(sums) + len(self.numbers))


class Windows(Near):
    """Counts of the labels near each row of a pool.

    Attributes:
        counts: ``(n, C)`` float64, beside the pool.
    """

    def __init__(
        self,
        embeddings: Rows,
        labelled: Rows | None,
        classes: Rows | None,
        count: int | None = None,
        gamma: float | None = None,
    ) -> None:
        super().__init__(embeddings, labelled, classes, count, gamma)
        like = self.pairs.take(np.array([0]))
        self.counts: Array = filled((len(embeddings), self.classes), 0.0, "float64", like)
        if self.known is None:
            return
        for start, block in self.pairs.blocks():
            sums = filled((self.classes, len(block)), 0.0, "float64", block)
            for first in range(0, len(self.numbers), LABELS):
                part = slice(first, first + LABELS)
                add_rows(sums, self.numbers[part], self.similar(self.known[part], block))
            self.counts[start : start + len(block)] = sums.T

    def spread(self, probabilities: Rows) -> None:
        """Divide each row's counts, all classes together, by given probabilities instead."""
        for start, block in probabilities.blocks(LABELS):
            here = slice(start, start + len(block))
            odds, near = dense(block), namespace(block).sum(self.counts[here], axis=1)
            self.counts[here] = odds * near[:, None]

    def answer(self, row: int, prior: float) -> None:
        """Count a row as labelled by its expected class: the mean under a Dirichlet prior."""
        alpha = host(self.counts[row : row + 1])[0] + prior
        shares = beside(alpha / alpha.sum(), self.counts)
        chosen = self.pairs.take(np.array([row]))
        for start, block in self.pairs.blocks():
            self.counts[start : start + len(block)] += self.similar(block, chosen) * shares[None]

    def scored(self, scores: Scores, rows: int) -> Vector:
        """``(n,)`` of all rows, so many at once, by their counts."""
        starts = range(0, len(self.counts), rows)
        return np.concatenate([host(scores(self.counts[i : i + rows])) for i in starts])


Scores = Callable[[Array], Array]
"""Of a block of counts ``(k, C)``: ``(k,)`` how much the next label there is wanted."""


def picked(
    windows: Windows,
    budget: int,
    rng: np.random.Generator | None,
    scores: Callable[[], Vector],
    *,
    density: bool = False,
    prior: float = 1.0,
) -> Picks:
    """The highest score, then again with the pick answered by its expected class, and so on.

    Args:
        windows: Is changed by the picks.
        budget: How many.
        rng: Orders equals.
        scores: ``(n,)`` what is wanted, with the windows as they are then.
        density: Whether scores are multiplied by the density. Without labels they always are:
            nothing else tells rows apart.
        prior: Of each class, for the expected class of a pick.
    """
    count = len(windows.counts)
    keys, free = tie_keys(np.arange(count), tie_seed(rng)), np.ones(count, bool)
    indices, values = np.zeros(budget, np.int64), np.zeros(budget)
    weights = windows.densities() if density or not len(windows.numbers) else np.ones(1)
    for place in range(budget):
        found = scores() * weights
        best = best_of(found, free, keys)
        indices[place], values[place], free[best] = best, found[best], False
        if place + 1 < budget:
            windows.answer(best, prior)
    return indices, values


def told(labelled: Rows | None, classes: Rows | None, count: int | None) -> Indices:
    """``(m,)`` classes of labelled rows.

    Raises:
        NeedError: If one of both is missing.
        ShapeError: If their numbers differ, or classes are no whole numbers below ``count``.
        ConfigError: If ``count`` is less than two.
    """
    if count is not None and count < 2:
        raise ConfigError(f"classes is at least 2, or None for as many as are seen; got {count}.")
    have = [0 if rows is None else len(rows) for rows in (labelled, classes)]
    if have[0] != have[1]:
        error = ShapeError if all(have) else NeedError
        raise error(
            "labelled_embeddings and labelled_classes go together, a row for each labelled item; "
            f"they have {have[0]} and {have[1]} rows."
        )
    if classes is None or not have[1]:
        return np.zeros(0, np.int64)
    return class_numbers(classes, count)


def class_numbers(classes: Rows, count: int | None) -> Indices:
    """Classes as whole numbers from 0.

    Raises:
        ShapeError: If they are none, or not below ``count``.
    """
    given = host(classes.whole())
    whole = given.astype(np.int64)
    if (whole != given).any() or whole.min() < 0 or (count is not None and whole.max() >= count):
        upper = "" if count is None else f" to {count - 1}"
        raise ShapeError(f"labelled_classes are whole numbers from 0{upper}.")
    return np.asarray(whole, np.int64)


def mean_gamma(pairs: Pairs, known: Array | None) -> float:
    """The kernel's sharpness by the mean criterion (Chaudhuri et al. 2017, arXiv 1708.05106).

    Of pool and labelled rows; one over the number of features where all rows are alike.
    """
    variance, count = variances(pairs, known)
    if not variance > 0.0:
        return 1.0 / max(1, pairs.rows.shape[1])
    count = max(2, count)
    return float((count - 1) * math.log((count - 1) / DELTA**2) / (4.0 * count * variance))


def variances(pairs: Pairs, known: Array | None) -> tuple[float, int]:
    """The sum of the features' variances over pool and labelled rows, and how many those are.

    Zero where it is nothing but rounding.
    """
    like = pairs.take(np.array([0]))
    total, squares, count = filled(like.shape[1], 0.0, "float64", like), 0.0, 0
    for block in chain((block for _, block in pairs.blocks()), [] if known is None else [known]):
        total = total + namespace(block).sum(block, axis=0)
        squares += float(dots(block, block).sum())
        count += len(block)
    mean = total / count
    variance = squares / count - float((mean * mean).sum())
    return (variance if variance > 1e-12 * squares / count else 0.0), count
