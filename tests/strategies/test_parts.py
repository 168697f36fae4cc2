"""Scores of parts, picks of items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import ConfigError, ShapeError
from querist.strategies.errors import BudgetError, NeedError
from querist.strategies.parts import NOTHING, aggregated, select_items

WAYS = {
    "mean": np.mean,
    "sum": np.sum,
    "max": np.max,
    "top-1": np.max,
    "top-3": lambda values: np.mean(np.sort(values)[::-1][:3]),
    "top-99": np.mean,
}


@pytest.mark.parametrize("how", WAYS)
@given(items=st.lists(st.lists(st.floats(-9, 9), max_size=6), min_size=1, max_size=9))
def test_as_item_by_item(how: str, items) -> None:
    offsets = np.cumsum([0, *map(len, items)])
    expected = [WAYS[how](item) if item else NOTHING for item in items]
    found = aggregated(np.array([one for item in items for one in item]), offsets, how)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_items_are_picked() -> None:
    odds = np.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])
    picked = select_items("margin", 4, [0, 2, 2, 3, 5], probabilities=odds, how="mean")
    assert picked.indices.tolist() == [3, 0, 2, 1]
    np.testing.assert_allclose(picked.scores[:3], [-0.3, -0.5, -0.8])
    assert (picked.strategy, picked.pool) == ("margin by mean", 4)
    assert select_items("margin", 1, [0, 2, 2, 3, 5], probabilities=odds, how="max").indices == [0]


def test_ties_are_in_random_order_of_a_seed() -> None:
    even = np.full((40, 2), 0.5)
    offsets = np.arange(0, 41, 2)
    picks = {
        int(select_items("entropy", 1, offsets, probabilities=even, rng=seed).indices[0])
        for seed in range(9)
    }
    assert len(picks) > 3


@pytest.mark.parametrize(
    "offsets", [[0, 2], [1, 3], [0, 2, 1, 3], [0.0, 3.0], [], [[0, 3]], [0, 4, 3]]
)
def test_offsets_must_fit(offsets) -> None:
    with pytest.raises(ShapeError, match="3 parts"):
        aggregated(np.zeros(3), offsets)


@pytest.mark.parametrize("how", ["median", "top-0", "top-x", "top"])
def test_an_unknown_way_is_refused(how: str) -> None:
    with pytest.raises(ConfigError, match="top-3"):
        aggregated(np.zeros(3), [0, 3], how)


def test_more_items_than_there_are_and_methods_without_scores_are_refused() -> None:
    with pytest.raises(BudgetError, match="the pool's 1"):
        select_items("margin", 2, [0, 3], probabilities=np.full((3, 2), 0.5))
    with pytest.raises(NeedError, match="no score of a row"):
        select_items("k-center", 1, [0, 3], embeddings=np.zeros((3, 2)))


def test_no_items_at_all() -> None:
    assert aggregated(np.zeros(0), [0]).tolist() == []
