"""Squared distances between rows of a pool and a few picks; never a matrix of pool by pool.

Distances come twice: fast ones from float32 matrix products, as *upper bounds* that allow for
rounding, and exact ones in float64 from differences of the rows. Methods search with the former
and decide with the latter, so what they pick does not depend on rounding, type or order.

A row is one vector or the outer product of two (BADGE's gradients): inner products of outer
products are products of inner products, so ``C + d`` numbers stand for ``C d``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.strategies.arrays import (
    Array,
    beside,
    dots,
    filled,
    float32,
    float64,
    host,
    namespace,
    product_epsilon,
    rows_at,
    where_true,
)
from querist.strategies.errors import BadRows
from querist.strategies.rows import Rows, together

Indices = NDArray[np.int64]
# Rows of one matrix product, so that its result stays in the cache.
ROWS = 2048
CENTRES = 256
# Numbers whose squares, or those of a row, float32 and float64 cannot hold.
FAR, FARTHEST = 1e18, 1e150
# Picks that are compared with those before them at a time.
EARLIER = 128


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Some rows, ready for products.

    Attributes:
        raw: For each factor ``(k, d_f)``, as given.
        fast: The same in float32, shifted and scaled.
        norms: ``(k,)`` float32 squared norm of the shifted and scaled rows.
    """

    raw: tuple[Array, ...]
    fast: tuple[Array, ...]
    norms: Array

    def __len__(self) -> int:
        return len(self.norms)

    def at(self, where: Indices | slice) -> Points:
        """Some of the points."""

        def cut(array: Array) -> Array:
            return array[where] if isinstance(where, slice) else rows_at(array, where)

        return Points(tuple(map(cut, self.raw)), tuple(map(cut, self.fast)), cut(self.norms))


class Space:
    """A pool in which squared distances are measured.

    Args:
        factors: One kind of rows, or two of which each row is the outer product.
        make: What turns raw rows of the *first* factor into its vectors; it keeps their type.
    """

    def __init__(
        self, factors: Sequence[Rows], make: Callable[[Array], Array] | None = None
    ) -> None:
        self.factors, self.make = tuple(factors), make
        self.count = len(factors[0])
        self.width = sum(rows.shape[1] for rows in factors)
        self.shift: Array | None = None
        self.scale = 1.0
        self.mean: Array | None = None
        self.norms = self._prepare()
        # Rounding of a float32 inner product of d terms grows like the root of d, not like d.
        self.rounding = product_epsilon(self.norms) * (4.0 + self.width**0.5)

    def _prepare(self) -> Array:
        """Squared norms in float32; chooses shift and scale of one vector a row on the way."""
        with np.errstate(over="ignore", invalid="ignore"):  # rows beyond float32 are scaled below
            self.norms, total = self._pass(with_sums=len(self.factors) == 1)
        norms = self.norms
        typical = float(namespace(norms).mean(float64(norms)))
        reach = 0.0 if np.isfinite(typical) else self._reach(total is not None)
        if total is None:
            return norms
        self.mean = total / self.count
        size = reach or typical**0.5
        offset = float((self.mean * self.mean).sum())
        if size > 0.0 and (reach or offset > 0.5 * typical or not 1e-9 < size < 1e9):
            self.shift = self.mean if reach else float32(self.mean)
            self.scale = 1.0 if 1e-9 < size < 1e9 else 1.0 / size
            norms, _ = self._pass(with_sums=False)
        return norms

    def _reach(self, scales: bool) -> float:
        """The largest number in rows whose float32 squares overflow.

        Raises:
            BadRows: If they cannot be scaled, or their float64 squares overflow too.
        """
        rows, largest, far = self.factors[-1], 0.0, list[int]()
        for start, block in rows.blocks(ROWS):
            tops = host(namespace(block).amax(namespace(block).abs(float64(block)), axis=1))
            largest = max(largest, float(tops.max()))
            far.extend((np.flatnonzero(tops > (FARTHEST if scales else FAR)) + start).tolist())
        if far:
            raise BadRows(
                f"{len(far)} rows of {rows.name} have numbers so large that their squares overflow "
                f"(up to {largest:.3g}); repair them, or scale {rows.name}.",
                tuple(far),
            )
        return largest

    def _pass(self, with_sums: bool) -> tuple[Array, Array | None]:
        norms: Array | None = None
        total: Array | None = None
        for start, points in self.blocks():
            if norms is None:
                norms = filled(self.count, 0.0, "float32", points.norms)
            norms[start : start + len(points)] = points.norms
            if with_sums:
                part = namespace(points.norms).sum(float64(points.raw[0]), axis=0)
                total = part if total is None else total + part
        return norms, total

    @property
    def prepares(self) -> bool:
        """Whether fast rows are others than the rows given."""
        like = self.factors[0].take([0])
        return self.shift is not None or self.make is not None or like.dtype != self.norms.dtype

    def blocks(self, size: int = ROWS) -> Iterator[tuple[int, Points]]:
        """All rows in order."""
        for start, raw in together(self.factors, size):
            yield start, self.points_of(raw)

    def points(self, indices: Indices) -> Points:
        """Some rows, gathered."""
        return self.points_of([rows.take(indices) for rows in self.factors])

    def points_of(self, raw: Sequence[Array]) -> Points:
        """Rows of the pool's kind that come from anywhere."""
        made = tuple([self.make(raw[0]), *raw[1:]] if self.make else raw)
        fast = tuple(map(self._fast, made))
        return Points(made, fast, _norms(fast))

    def _fast(self, raw: Array) -> Array:
        """Float32; a difference of two float32 numbers is as exact as its result can be."""
        if self.shift is None:
            return float32(raw)
        same = raw.dtype == self.norms.dtype and self.scale == 1.0
        return raw - self.shift if same else float32((float64(raw) - self.shift) * self.scale)

    def upper(self, points: Points, centres: Centres, first: int, last: int) -> Array:
        """``(k,)`` float32: no less than the squared distance to the nearest of some centres.

        In the units of the fast rows: ``scale`` squared times those of the rows as given.
        """
        return self.raised(self._nearest(points, centres, first, last), points.norms)

    def raised(self, distances: Array, norms: Array) -> Array:
        """Float32 distances, or their minima, with an allowance for their rounding."""
        xp, slack = namespace(distances), self.rounding
        return xp.clip(distances, 0.0, None) * (1.0 + 2.0 * slack) + norms * (3.0 * slack)

    def lower(self, upper: float, norm: float) -> float:
        """No more than the distance of which this is the upper bound."""
        return float(upper - 2.0 * self.rounding * (3.0 * norm + 2.0 * upper))

    def _nearest(self, points: Points, centres: Centres, first: int, last: int) -> Array:
        nearest = None
        for start in range(first, last, CENTRES):
            part = self.products(points, centres, start, min(last, start + CENTRES))
            found = namespace(part).amin(part, axis=0)
            nearest = found if nearest is None else namespace(part).minimum(nearest, found)
        return nearest + points.norms

    def products(self, points: Points, centres: Centres, first: int, last: int) -> Array:
        """``(p, k)``: squared distance to each centre, less the squared norm of the point."""
        product = centres.doubled[first:last] @ points.fast[0].T
        if len(points.fast) > 1:
            product *= centres.second[first:last] @ points.fast[1].T
        product += centres.norms[first:last, None]
        return product

    def exact(
        self, points: Points, centres: Centres, first: int, last: int, number: int | None = None
    ) -> NDArray[np.float64]:
        """``(k,)`` squared distance to the nearest of some centres, of the rows as given, float64.

        Only centres that rounding may have made nearest are looked at again. With ``number`` the
        points are the centres from there on, and each is compared with those before it.
        """
        found = np.full(len(points), np.inf)
        step = max(1, (ROWS * CENTRES) // max(1, last - first))
        for start in range(0, len(points), step):
            some = points.at(slice(start, start + step))
            own = None if number is None else number + start
            found[start : start + step] = self._exact(some, centres, (first, last), own)
        return found

    def _exact(
        self, points: Points, centres: Centres, within: tuple[int, int], own: int | None
    ) -> NDArray[np.float64]:
        first, last = within
        fast = self.products(points, centres, first, last) + points.norms
        if own is not None:
            later = np.arange(first, last)[:, None] >= own + np.arange(len(points))
            fast[beside(later, fast)] = np.inf
        xp = namespace(fast)
        least = xp.amin(fast, axis=0)
        window = 2.0 * self.rounding * (3.0 * points.norms + 2.0 * xp.abs(least))
        which, row = map(host, xp.where(fast <= least + 2.0 * window))
        nearest = np.full(len(points), np.inf)
        for start in range(0, len(row), ROWS):
            part = slice(start, start + ROWS)
            apart = self.apart(points.at(row[part]).raw, centres.raw_at(first + which[part]))
            np.minimum.at(nearest, row[part], apart)
        return nearest

    def apart(self, one: Sequence[Array], other: Sequence[Array]) -> NDArray[np.float64]:
        """``(k,)`` squared distances of pairs of raw rows; exactly zero where they are equal.

        Of outer products, from ``a h' - b k' = a (h - k)' + (a - b) k'``.
        """
        a, b = float64(one[0]), float64(other[0])
        if len(one) == 1:
            return np.asarray(host(dots(a - b, a - b)), float)
        h, k = float64(one[1]), float64(other[1])
        squares = dots(a, a) * dots(h - k, h - k) + dots(a - b, a - b) * dots(k, k)
        crossed = 2.0 * dots(a, a - b) * dots(h - k, k)
        return np.asarray(np.maximum(host(squares + crossed), 0.0), float)


def _norms(fast: Sequence[Array]) -> Array:
    norms = dots(fast[0], fast[0])
    return norms if len(fast) == 1 else norms * dots(fast[1], fast[1])


class Centres:
    """What was picked, and before it what has labels, with room for the rest of a budget."""

    def __init__(self, space: Space, labelled: Points | None, budget: int) -> None:
        self.count = 0
        self._room = budget + (len(labelled) if labelled else 0)
        self._raw: tuple[Array, ...] = ()
        self.doubled = self.second = self.norms = np.zeros(0, np.float32)
        if labelled is not None and len(labelled):
            self.add(labelled)

    def add(self, points: Points) -> None:
        """Append points."""
        if not self.count:
            self._open(points)
        here = slice(self.count, self.count + len(points))
        self.doubled[here] = -2.0 * points.fast[0]
        if len(points.fast) > 1:
            self.second[here] = points.fast[1]
        self.norms[here] = points.norms
        for held, raw in zip(self._raw, points.raw, strict=True):
            held[here] = raw
        self.count += len(points)

    def _open(self, like: Points) -> None:
        def room(array: Array) -> Array:
            kind = str(array.dtype).rpartition(".")[2]
            return filled((self._room, *array.shape[1:]), 0, kind, array)

        self._raw = tuple(map(room, like.raw))
        self.doubled, self.norms = room(like.fast[0]), room(like.norms)
        self.second = room(like.fast[1]) if len(like.fast) > 1 else self.second

    def raw_at(self, indices: Indices) -> tuple[Array, ...]:
        """Raw rows of some centres."""
        return tuple(rows_at(raw, indices) for raw in self._raw)

    def points(self, first: int, last: int) -> Points:
        """Centres as points again."""
        fast = [self.doubled[first:last] * -0.5]
        fast += [self.second[first:last]] if len(self.second) else []
        return Points(
            tuple(raw[first:last] for raw in self._raw), tuple(fast), self.norms[first:last]
        )


def labelled_points(space: Space, labelled: Rows | None) -> Points | None:
    """Labelled rows as points of the pool's space; None where there are none.

    Raises:
        ShapeError: If they have another number of features.
    """
    if labelled is None or not len(labelled):
        return None
    if labelled.shape[1:] != space.factors[0].shape[1:]:
        raise ShapeError(
            f"{labelled.name} have {labelled.shape[1]} features, "
            f"but {space.factors[0].name} have {space.factors[0].shape[1]}."
        )
    like = space.factors[0].take([0])
    array = beside(labelled.whole(), like)
    return space.points_of([array if array.dtype == like.dtype else float64(array)])


def central(space: Space) -> tuple[int, float]:
    """The row nearest to the mean of the pool, equals by index, and its distance."""
    assert space.mean is not None, "only of spaces of one factor"
    mean = Centres(space, None, 1)
    mean.add(space.points_of([space.mean[None]]))
    upper = filled(space.count, 0.0, "float32", space.norms)
    for start, points in space.blocks():
        upper[start : start + len(points)] = space.upper(points, mean, 0, 1)
    least = upper - 2.0 * space.rounding * (3.0 * space.norms + 2.0 * upper)
    rivals = where_true(least <= upper.min())
    best, nearest = -1, np.inf
    for start in range(0, len(rivals), ROWS):
        some = rivals[start : start + ROWS]
        found = space.exact(space.points(some), mean, 0, 1)
        if found.min() < nearest:
            best, nearest = int(some[found.argmin()]), float(found.min())
    return best, nearest**0.5


def largest(space: Space) -> tuple[int, float]:
    """The row of the largest norm as given, equals by index, and the norm."""
    norms, slack = space.norms, 4.0 * space.rounding
    if space.shift is not None:
        parts = [np.zeros(0)]
        parts += [squared_norms(points) for _, points in space.blocks()]
        norms, slack = np.concatenate(parts), 1e-12
    rivals = where_true(norms >= float(norms.max()) * (1.0 - slack))
    best, size = -1, -1.0
    for start in range(0, len(rivals), ROWS):
        some = rivals[start : start + ROWS]
        sizes = squared_norms(space.points(some))
        if sizes.max() > size:
            best, size = int(some[sizes.argmax()]), float(sizes.max())
    return best, size**0.5


def squared_norms(points: Points) -> NDArray[np.float64]:
    """``(k,)`` squared norms of rows as given, in float64."""
    return np.asarray(host(_norms([float64(part) for part in points.raw])), float)


def distances_to_earlier(space: Space, centres: Centres, labelled: int) -> NDArray[np.float64]:
    """``(b,)`` exact squared distance of each pick to the nearest before; inf where none is."""
    count, first = centres.count, max(labelled, 1)
    found = np.full(count - labelled, np.inf)
    for start in range(first, count, EARLIER):
        stop = min(start + EARLIER, count)
        points = centres.points(start, stop)
        found[start - labelled : stop - labelled] = space.exact(points, centres, 0, stop, start)
    return found
