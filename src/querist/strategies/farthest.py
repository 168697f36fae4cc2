"""Farthest-first traversal: each pick is the row farthest from all picks before it.

Distances to the nearest pick only shrink, so old ones are upper bounds. A *hot set* of the rows
with the highest bounds is kept up to date, a cheap product a pick; as long as its best lies above
the bound of every row outside, that best is the farthest of all. Otherwise only rows whose bound
reaches the best are brought up to date, and the hot set is chosen anew. Rows that came close to an
early pick are never looked at again.

Rounding: bounds allow for it, and where it could decide, candidates are compared in float64. So
the picks are those of the plain method in float64, with ties by index.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import Array, filled, host, namespace, put, rows_at, where_true
from querist.strategies.geometry import ROWS, Centres, Indices, Points, Space, distances_to_earlier

HOT = 512
HOTTEST = 1 << 14
# Memory of the hot set in numbers.
HOT_NUMBERS = 1 << 20


class Bounds:
    """Upper bounds on every row's squared distance to the nearest centre.

    Attributes:
        upper: ``(n,)`` float32, on the pool's device.
        applied: ``(n,)`` how many centres each bound knows of.
    """

    def __init__(self, space: Space, centres: Centres) -> None:
        self.space, self.centres = space, centres
        self.upper = filled(space.count, np.inf, "float32", space.norms)
        self.applied = np.zeros(space.count, np.int32)

    def stale(self, indices: Indices) -> Indices:
        """Which of some rows do not know of all centres."""
        return indices[self.applied[indices] < self.centres.count]

    def refresh(self, indices: Indices) -> None:
        """Bring some rows up to date; all of them at once where that is less work."""
        if not len(indices):
            return
        known = self.applied[indices]
        work = len(indices) * self.centres.count - int(known.sum(dtype=np.int64))
        least = int(self.applied.min())
        if 2 * work > self.space.count * (self.centres.count - least):
            self.refresh_all(least)
            return
        for first in np.unique(known):
            group = indices[known == first]
            for start in range(0, len(group), ROWS):
                self._refresh(group[start : start + ROWS], int(first))

    def _refresh(self, rows: Indices, first: int) -> None:
        points = self.space.points(rows)
        found = self.space.upper(points, self.centres, first, self.centres.count)
        put(self.upper, rows, namespace(found).minimum(found, rows_at(self.upper, rows)))
        self.applied[rows] = self.centres.count

    def refresh_all(self, first: int) -> None:
        """Bring every row up to date in one pass; all know of the ``first`` centres already."""
        last = self.centres.count
        for start, points in self.space.blocks():
            found = self.space.upper(points, self.centres, first, last)
            here = self.upper[start : start + len(points)]
            here[:] = namespace(found).minimum(found, here)
        self.applied[:] = last

    def top(self, count: int) -> Indices:
        """Rows with the highest bounds, in order of index."""
        return highest(self.upper, count)


def highest(values: Array, count: int) -> Indices:
    """Positions of the highest values, in order of position."""
    if count >= len(values):
        return np.arange(len(values))
    xp = namespace(values)
    if xp is np:
        return np.sort(np.argpartition(-values, count - 1)[:count])
    return np.sort(host(xp.topk(values, count, sorted=False).indices))


class Ties:
    """Exact distances of rows between which rounding could decide, remembered."""

    def __init__(self, space: Space, centres: Centres) -> None:
        self.space, self.centres = space, centres
        self._values = np.full(space.count, np.inf)
        self._known = np.zeros(space.count, np.int32)

    def values(self, indices: Indices) -> NDArray[np.float64]:
        """``(k,)`` exact squared distance to the nearest centre."""
        count, known = self.centres.count, self._known[indices]
        for first in np.unique(known):
            group = indices[known == first]
            for start in range(0, len(group) if first < count else 0, ROWS):
                rows = group[start : start + ROWS]
                found = self.space.exact(self.space.points(rows), self.centres, int(first), count)
                self._values[rows] = np.minimum(self._values[rows], found)
        self._known[indices] = count
        return self._values[indices]


class Traversal:
    """The state of one farthest-first traversal.

    Args:
        space: The pool.
        labelled: Where to be far from at the beginning.
        budget: How many picks will be made.
    """

    def __init__(self, space: Space, labelled: Points | None, budget: int) -> None:
        self.space, self.budget = space, budget
        self.centres = Centres(space, labelled, budget)
        self.labelled = self.centres.count
        self.bounds = Bounds(space, self.centres)
        self.picks: list[int] = []
        self._ties: Ties | None = None
        self._hot_size = min(max(HOT, space.count // 64), HOTTEST, HOT_NUMBERS // space.width + 1)
        self._hot = np.zeros(0, np.int64)
        self._points: Points | None = None
        self._heat: Array = np.zeros(0, np.float32)
        self._outside = np.inf
        self._since = 0

    def run(self, first: int | None) -> None:
        """Make all picks; ``first`` is the first one where nothing is labelled."""
        if first is not None:
            self._take(first, self.space.points(np.array([first])))
        while len(self.picks) < self.budget:
            self._step()

    def _step(self) -> None:
        best, least = self._best()
        if least < self._outside:
            self._refill()
            best, least = self._best()
        rivals = where_true(self._heat >= least)
        if least < self._outside:
            self._settle(least)
        elif len(rivals) > 1:
            self._settle(least, self._hot[rivals])
        else:
            self._take(int(self._hot[best]), self._points.at(slice(best, best + 1)))  # type: ignore[union-attr]

    def _best(self) -> tuple[int, float]:
        """Position of the highest bound in the hot set, and below what no rival can lie."""
        if self._points is None:
            return 0, -np.inf
        best = int(self._heat.argmax())
        return best, self.space.lower(float(self._heat[best]), float(self._points.norms[best]))

    def _settle(self, least: float, rivals: Indices | None = None) -> None:
        """Pick among rivals by exact distances, equals by index."""
        if rivals is None:
            self._write_back()
            rivals = where_true(self.bounds.upper >= least)
        self._ties = self._ties or Ties(self.space, self.centres)
        values = self._ties.values(rivals)
        best = int(values.argmax())
        if values[best] <= 0.0:
            self._finish()
        else:
            self._take(int(rivals[best]), self.space.points(rivals[best : best + 1]))

    def _finish(self) -> None:
        """Everything that remains equals something picked: the rest by index."""
        free = np.ones(self.space.count, bool)
        free[self.picks] = False
        rest = np.flatnonzero(free)[: self.budget - len(self.picks)]
        self.centres.add(self.space.points(rest))
        self.picks.extend(rest.tolist())

    def _take(self, row: int, point: Points) -> None:
        self.picks.append(row)
        self.centres.add(point)
        self._since += 1
        self.bounds.upper[row] = -np.inf
        if self._points is None:
            return
        last = self.centres.count
        found = self.space.upper(self._points, self.centres, last - 1, last)
        self._heat = namespace(found).minimum(self._heat, found)
        position = int(np.searchsorted(self._hot, row))
        if position < len(self._hot) and self._hot[position] == row:
            self._heat[position] = -np.inf

    def _write_back(self) -> None:
        if self._points is not None:
            put(self.bounds.upper, self._hot, self._heat)
            self.bounds.applied[self._hot] = self.centres.count

    def _refill(self) -> None:
        """Choose the hot set anew, after updating whatever could hold the farthest row."""
        bounds = self.bounds
        if self._points is not None and self._since < self._hot_size // 4:
            self._hot_size = min(2 * self._hot_size, HOTTEST, HOT_NUMBERS // self.space.width + 1)
        self._write_back()
        self._since = 0
        if not self.centres.count:
            raise AssertionError("a traversal begins with a pick or with labels")
        top = bounds.top(self._hot_size)
        bounds.refresh(bounds.stale(top))
        highest = namespace(bounds.upper).amax(rows_at(bounds.upper, top))
        bounds.refresh(bounds.stale(where_true(bounds.upper >= float(highest))))
        self._hot = bounds.top(self._hot_size)
        bounds.refresh(bounds.stale(self._hot))
        self._points = self.space.points(self._hot)
        self._heat = rows_at(bounds.upper, self._hot)
        put(bounds.upper, self._hot, filled(len(self._hot), -np.inf, "float32", bounds.upper))
        self._outside = float(namespace(bounds.upper).amax(bounds.upper))
        put(bounds.upper, self._hot, self._heat)

    def distances(self) -> NDArray[np.float64]:
        """``(b,)`` exact distance of each pick to the nearest before it."""
        return np.sqrt(distances_to_earlier(self.space, self.centres, self.labelled))
