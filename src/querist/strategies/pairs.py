"""All pairs of a pool in float64, a block of them at a time.

For methods that count or sum over neighbours: time in n^2, memory in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.strategies.arrays import (
    Array,
    beside,
    columns,
    dots,
    filled,
    float64,
    host,
    namespace,
    smallest,
)
from querist.strategies.errors import BadRows
from querist.strategies.geometry import FARTHEST
from querist.strategies.rows import Rows

Indices = NDArray[np.int64]
# Rows of a block of the pool, so that its pairs with as many others stay in the cache.
ROWS = 256
# Rows of a block on the other side, at most; numbers of that side; pairs at once.
GROUP = 2048
HELD = 1 << 20


def unit(block: Array) -> Array:
    """Rows of ``(k, d)`` in float64, of length one; rows of zeros stay."""
    rows = columns(block)
    lengths = namespace(rows).sqrt(dots(rows, rows))
    return rows / (lengths + (lengths == 0.0))[:, None]


def squared_distances(one: Array, other: Array) -> Array:
    """``(p, k)`` of two blocks, from their inner products; not below zero."""
    found = (-2.0 * one) @ other.T
    found += dots(other, other)[None]
    found += dots(one, one)[:, None]
    return namespace(found).clip(found, 0.0, None)


def nearest_squares(block: Array, others: Array) -> Array:
    """``(k,)`` squared distance of each row of a block to the nearest of others."""
    xp, nearest = namespace(block), None
    for start in range(0, len(others), ROWS):
        apart = squared_distances(block, others[start : start + ROWS])
        found = xp.amin(apart, axis=1)
        nearest = found if nearest is None else xp.minimum(nearest, found)
    return nearest


class Pairs:
    """Rows in float64, less the first (distances stay, rounding shrinks), or of length one.

    Args:
        rows: The pool.
        normalise: Whether rows get length one instead.
    """

    def __init__(self, rows: Rows, normalise: bool = False) -> None:
        self.rows, self.normalise = rows, normalise
        self._origin: Array = columns(rows.take([0]))

    def checked(self) -> Pairs:
        """The same, once squares of all numbers are known to be finite.

        Raises:
            BadRows: If some are not; it names the rows.
        """
        refuse_overflow(self.rows)
        return self

    def prepare(self, block: Array) -> Array:
        """Rows as given, made ready."""
        return unit(block) if self.normalise else columns(block) - self._origin

    def take(self, indices: Indices) -> Array:
        """Some rows."""
        return self.prepare(self.rows.take(indices))

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """All rows in small blocks: one side of the pairs."""
        for start, block in self.rows.blocks(ROWS):
            yield start, self.prepare(block)

    def groups(self, indices: Indices | None = None) -> Iterator[tuple[int, Array]]:
        """All rows, or some, in larger blocks: the other side; there is a pass for each."""
        size = min(GROUP, max(ROWS, HELD // max(1, self.rows.shape[1])))
        if indices is None:
            for start, block in self.rows.blocks(size):
                yield start, self.prepare(block)
            return
        for start in range(0, len(indices), size):
            yield start, self.take(indices[start : start + size])

    def given(self, others: Rows | None) -> Array | None:
        """Other, few rows beside the pool, made ready; None where there are none.

        Raises:
            ShapeError: If they have another number of features.
        """
        if others is None or not len(others):
            return None
        same_features(self.rows, others)
        refuse_overflow(others)
        return self.prepare(beside(others.whole(), self._origin))


def refuse_overflow(rows: Rows) -> None:
    """Refuse numbers whose squares float64 cannot hold.

    Raises:
        BadRows: If there are some; it names the rows.
    """
    far, largest = list[int](), 0.0
    for start, block in rows.blocks():
        xp = namespace(block)
        tops = host(xp.amax(xp.abs(float64(block)), axis=1)) if block.shape[1] else np.zeros(1)
        far.extend((np.flatnonzero(tops > FARTHEST) + start).tolist())
        largest = max(largest, float(tops.max()))
    if far:
        raise BadRows(
            f"{len(far)} rows of {rows.name} have numbers so large that their squares overflow "
            f"(up to {largest:.3g}); repair them, or scale {rows.name}.",
            tuple(far),
        )


def same_features(rows: Rows, others: Rows) -> None:
    """Refuse rows of different lengths.

    Raises:
        ShapeError: If they differ.
    """
    if rows.shape[1:] != others.shape[1:]:
        raise ShapeError(
            f"{others.name} have {others.shape[1]} features, but {rows.name} have {rows.shape[1]}."
        )


def gaussian_sums(pairs: Pairs, gamma: float) -> NDArray[np.float64]:
    """``(n,)`` sum over the pool of ``exp(-gamma |x - y|^2)``, a block of pairs at a time."""
    found = np.zeros(len(pairs.rows))
    for start, rows in pairs.groups():
        total = filled(len(rows), 0.0, "float64", rows)
        for _, others in pairs.blocks():
            similar = namespace(rows).exp(-gamma * squared_distances(rows, others))
            total = total + namespace(rows).sum(similar, axis=1)
        found[start : start + len(rows)] = host(total)
    return found


def mean_neighbour_distances(rows: Rows, members: Indices, count: int) -> NDArray[np.float64]:
    """``(k,)`` mean Euclidean distance of each member to the nearest ``count`` other members.

    Args:
        rows: The pool.
        members: ``(k,)`` rows of it, k at least 2.
        count: How many neighbours, from 1 to k - 1.
    """
    pairs, found = Pairs(rows), np.zeros(len(members))
    few = len(members) * rows.shape[1] <= HELD
    everybody = [pairs.take(members)] if few else None
    step = max(1, HELD // (2 * len(members) if few else ROWS + count))
    for start in range(0, len(members), step):
        some = pairs.take(members[start : start + step])
        nearest: Array | None = None
        for others in everybody or _parts(pairs, members):
            near = smallest(squared_distances(some, others), count + 1)
            both = near if nearest is None else namespace(near).concatenate([nearest, near], axis=1)
            nearest = smallest(both, count + 1)
        found[start : start + step] = _mean_of_others(nearest)
    return found


def _parts(pairs: Pairs, members: Indices) -> Iterator[Array]:
    for start in range(0, len(members), ROWS):
        yield pairs.take(members[start : start + ROWS])


def _mean_of_others(squares: Array) -> NDArray[np.float64]:
    """Mean root of all numbers of a row but the least, which is the row's own zero."""
    distances = np.sqrt(np.sort(host(squares), axis=1)[:, 1:])
    return np.asarray(distances.mean(axis=1), float)
