"""Rows of a pool, and after them a few others of the same kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import Array, beside, float64, put, rows_at
from querist.strategies.pairs import same_features
from querist.strategies.rows import Rows


class Stacked(Rows):
    """The rows of a pool followed by labelled ones, which are held.

    Args:
        pool: Comes first, so its indices stay.
        others: Come after it; few.

    Raises:
        ShapeError: If they have another number of features.
    """

    def __init__(self, pool: Rows, others: Rows) -> None:
        super().__init__(pool.name, pool.need)
        same_features(pool, others)
        like = pool.take([0])
        held = beside(others.whole(), like)
        self._pool, self._checked = pool, True
        self._same = held.dtype == like.dtype
        self._others: Array = held if self._same else float64(held)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n + m, ...)``."""
        return (len(self._pool) + len(self._others), *self._pool.shape[1:])

    def _read(self, size: int | None) -> Iterator[tuple[int, Array]]:
        step = size or self.usual(self.shape)
        for start, block in self._pool.blocks(step):
            yield start, self._typed(block)
        for start in range(0, len(self._others), step):
            yield len(self._pool) + start, self._others[start : start + step]

    def _gather(self, indices: NDArray[np.int64]) -> Array:
        count = len(self._pool)
        mine, theirs = np.flatnonzero(indices < count), np.flatnonzero(indices >= count)
        if not len(theirs):
            return self._typed(self._pool.take(indices))
        found = rows_at(self._others, np.zeros(len(indices), np.int64))
        put(found, theirs, rows_at(self._others, indices[theirs] - count))
        if len(mine):
            put(found, mine, self._typed(self._pool.take(indices[mine])))
        return found

    def _typed(self, block: Array) -> Array:
        return block if self._same else float64(block)
