"""Intervals: hand-computed cases, and hypothesis against counting seconds on a grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.accounting.spans import (
    Timeline,
    coalesce,
    concurrency,
    fair_limit,
    fair_limits,
    stacked,
)

GRID = 60
pairs = st.lists(st.tuples(st.integers(0, GRID), st.integers(0, GRID)), max_size=25)


def cells(intervals: list[tuple[int, int]]) -> np.ndarray:
    """How many of the intervals cover each second of the grid."""
    seconds = np.zeros(GRID, int)
    for start, stop in intervals:
        seconds[start:stop] += 1
    return seconds


def solid(intervals: list[tuple[float, float]]) -> np.ndarray:
    """A table of intervals that are busy from start to stop, without those that do not last."""
    lasting = sorted((start, stop, stop - start) for start, stop in intervals if stop > start)
    return np.array(lasting, float).reshape(-1, 3)


def test_concurrency_of_two_workers_in_bins_of_two_seconds() -> None:
    table = solid([(0, 3), (1, 4)])
    assert concurrency(table, [0, 2, 4, 6]).tolist() == [1.5, 1.5, 0.0]


def test_an_interval_that_is_half_busy_counts_half() -> None:
    assert concurrency(np.array([[0.0, 4.0, 2.0]]), [0, 2, 4]).tolist() == [0.5, 0.5]


def test_empty_inputs_are_no_time() -> None:
    assert concurrency(solid([]), [0, 1]).tolist() == [0.0]
    assert coalesce(solid([]), 3).shape == (0, 3)
    assert stacked([]).shape == (0, 3)


@given(pairs)
def test_concurrency_agrees_with_counting(intervals: list[tuple[int, int]]) -> None:
    found = concurrency(solid(intervals), np.arange(0, GRID + 1, 4))
    assert found == pytest.approx(cells(intervals).reshape(-1, 4).mean(axis=1), abs=1e-9)


@given(pairs, st.integers(-1000, 1000))
def test_concurrency_does_not_depend_on_when_time_begins(
    intervals: list[tuple[int, int]], later: int
) -> None:
    moved = solid([(start + later, stop + later) for start, stop in intervals])
    edges = np.arange(4, GRID + 1, 4)
    found = concurrency(moved, edges + later)
    assert found == pytest.approx(concurrency(solid(intervals), edges), abs=1e-9)


@given(pairs, st.integers(1, 12))
def test_coalesce_keeps_busy_seconds_within_the_limit(
    intervals: list[tuple[int, int]], limit: int
) -> None:
    found = coalesce(solid(intervals), limit)
    assert len(found) <= limit
    assert found[:, 2].sum() == (cells(intervals) > 0).sum()
    assert (found[:, 2] <= found[:, 1] - found[:, 0]).all()
    assert (found[1:, 0] >= found[:-1, 1]).all()


def test_coalesce_joins_the_nearest_first() -> None:
    table = solid([(0, 1), (5, 6), (6.5, 7), (20, 21)])
    assert coalesce(table, 3).tolist() == [[0, 1, 1], [5, 7, 1.5], [20, 21, 1]]
    assert coalesce(table, 2).tolist() == [[0, 7, 2.5], [20, 21, 1]]
    assert coalesce(solid([(0, 1), (2, 30), (32, 33)]), 2).tolist() == [[0, 30, 29], [32, 33, 1]]


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(0, 200))
def test_fair_limit_is_the_largest_that_fits(lengths: list[int], budget: int) -> None:
    def used(limit: int) -> int:
        return sum(min(length, limit) for length in lengths)

    limit = fair_limit(lengths, budget)
    assert limit >= 1
    assert used(limit) <= max(budget, used(1))
    assert used(limit) == sum(lengths) or used(limit + 1) > budget


def test_a_small_group_keeps_what_a_large_one_cannot() -> None:
    limits = fair_limits({"trainer": [50], "oracle": [100] * 10}, 300)
    assert limits == {"trainer": 50, "oracle": 25}


def test_a_timeline_counts_one_call_with_many_items_once() -> None:
    line = Timeline()
    assert [line.add(0, 2), line.add(0, 2), line.add(3, 3), line.add(3, 4)] == [1, 0, 0, 1]
    assert line.tasks == 2
    assert line.table(10).tolist() == [[0, 2, 2], [3, 4, 1]]


def test_a_shrunken_timeline_keeps_its_seconds_and_tasks() -> None:
    line = Timeline()
    for start in range(100):
        line.add(start, start + 0.5)
    line.shrink(7)
    assert len(line) == 7
    assert line.tasks == 100
    assert line.table(100)[:, 2].sum() == pytest.approx(50)
