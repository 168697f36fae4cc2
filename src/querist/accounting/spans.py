"""Busy intervals: utilisation over time, and bounded timelines.

A *table* is an ``(n, 3)`` array of start, stop and the busy seconds in between: an interval that
stands for several joined ones is not busy all the time, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def concurrency(table: Floats, edges: ArrayLike) -> Floats:
    """Mean number of busy intervals in each of ``k`` bins.

    Args:
        table: ``(n, 3)`` start, stop, busy seconds; they are spread evenly over the interval.
        edges: ``(k + 1,)`` growing instants.

    Returns:
        ``(k,)``: with the intervals of one worker its utilisation, with those of a pool the mean
        number of its workers that were busy.
    """
    instants = np.asarray(edges, np.float64)
    if not len(table):
        return np.zeros(len(instants) - 1)
    origin = instants[0]
    density = table[:, 2] / (table[:, 1] - table[:, 0])
    ramp_up = _ramp(table[:, 0] - origin, density, instants - origin)
    ramp_down = _ramp(table[:, 1] - origin, density, instants - origin)
    seconds = np.diff(ramp_up - ramp_down)
    return np.maximum(seconds, 0.0) / np.diff(instants)


def _ramp(begins: Floats, density: Floats, at: Floats) -> Floats:
    """Sum of ``density * (at - begin)`` over the terms that have begun."""
    order = np.argsort(begins)
    begun = np.searchsorted(begins[order], at)
    weight = np.r_[0.0, np.cumsum(density[order])]
    moment = np.r_[0.0, np.cumsum((density * begins)[order])]
    result: Floats = weight[begun] * at - moment[begun]
    return result


def coalesce(table: Floats, limit: int) -> Floats:
    """Join overlapping rows, then the nearest ones, until at most ``limit`` remain.

    Busy seconds are kept: the sum over the result is the time covered by any row (exactly, as
    long as the rows that overlap are busy from start to stop).

    Args:
        table: ``(n, 3)`` start, stop, busy seconds.
        limit: At least 1.

    Returns:
        ``(m, 3)``, sorted, disjoint, ``m <= limit``.
    """
    if len(table) < 2:
        return table
    rows = table[np.argsort(table[:, 0], kind="stable")]
    reach = np.maximum.accumulate(rows[:, 1])
    rows = _join(rows, np.r_[True, rows[1:, 0] >= reach[:-1]])
    surplus = len(rows) - limit
    if surplus <= 0:
        return rows
    gaps = rows[1:, 0] - rows[:-1, 1]
    first = np.ones(len(rows), bool)
    first[1 + np.argsort(gaps, kind="stable")[:surplus]] = False
    return _join(rows, first)


def _join(rows: Floats, first: NDArray[np.bool_]) -> Floats:
    """One row for each run of rows that starts where ``first`` is true."""
    at = np.flatnonzero(first)
    stops = np.maximum.reduceat(rows[:, 1], at)
    busy = np.minimum(np.add.reduceat(rows[:, 2], at), stops - rows[at, 0])
    return np.column_stack([rows[at, 0], stops, busy])


def fair_limit(lengths: ArrayLike, budget: int) -> int:
    """The largest limit, at least 1, at which lengths cut to it add up to the budget or less."""
    ordered = np.sort(np.asarray(lengths, np.int64))
    if not len(ordered) or ordered.sum() <= budget:
        return max(1, int(ordered.max(initial=1)))
    left = budget - np.r_[0, np.cumsum(ordered[:-1])]
    limits = left // np.arange(len(ordered), 0, -1)
    return max(1, int(limits[np.argmax(limits < ordered)]))


def fair_limits(groups: Mapping[str, Sequence[int]], budget: int) -> dict[str, int]:
    """The limit on the lengths in each group, where groups share a budget as fairly as members do.

    A pool of one trainer so keeps what a pool of a thousand oracles cannot.
    """
    totals = {name: sum(lengths) for name, lengths in groups.items()}
    share = fair_limit([*totals.values()], budget)
    return {name: fair_limit(groups[name], min(total, share)) for name, total in totals.items()}


class Timeline:
    """Busy intervals of one worker, which can be joined to keep within a bound.

    Not for several threads.
    """

    __slots__ = ("_rows", "tasks")

    def __init__(self) -> None:
        self._rows: list[tuple[float, float, float]] = []
        self.tasks = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, start: float, stop: float, busy: float | None = None) -> int:
        """Take one interval; several items of one call share their instants and count once.

        Args:
            start: In seconds.
            stop: Likewise.
            busy: Seconds of work in between, where that is less than all of it.

        Returns:
            How many rows were added: 1 or 0.
        """
        if not stop > start or (self._rows and self._rows[-1][:2] == (start, stop)):
            return 0
        self.tasks += 1
        whole = stop - start
        self._rows.append((start, stop, whole if busy is None else min(busy, whole)))
        return 1

    def shrink(self, limit: int) -> None:
        """Join the nearest intervals until at most ``limit`` are left."""
        if len(self._rows) > limit:
            self._rows = [(row[0], row[1], row[2]) for row in self.table(limit).tolist()]

    def table(self, limit: int) -> Floats:
        """``(m, 3)`` start, stop, busy seconds, with ``m <= limit``; the timeline is unchanged."""
        return coalesce(np.array(self._rows, np.float64).reshape(-1, 3), limit)


def stacked(tables: Sequence[Floats]) -> Floats:
    """The rows of several tables in one."""
    return np.concatenate([np.zeros((0, 3)), *tables])
