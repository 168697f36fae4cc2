"""The best of a stream: as sorting all of it, whatever the chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.strategies import ranking
from querist.strategies.errors import StrategyError
from querist.strategies.ranking import Best, tie_keys
from querist.strategies.registry import get


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=60),
    st.integers(1, 7),
    st.none() | st.integers(0, 99),
    st.data(),
)
def test_as_sorting_everything(scores, chunk: int, seed, data) -> None:
    count = data.draw(st.integers(1, len(scores)))
    values = np.array(scores, float)
    best = Best(count, seed)
    for start in range(0, len(values), chunk):
        best.add(start, values[start : start + chunk])
    indices, found = best.result()
    expected = np.lexsort((tie_keys(np.arange(len(values)), seed), -values))[:count]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(found, values[expected])


def test_only_the_best_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "SLACK", 10)
    best = Best(5)
    for start in range(0, 10_000, 100):
        best.add(start, np.zeros(100))
        assert best._waiting + len(best._scores) <= 15
    assert best.result()[0].tolist() == [0, 1, 2, 3, 4]


def test_ties_are_in_a_random_order_of_the_seed() -> None:
    orders = {tuple(np.argsort(tie_keys(np.arange(6), seed)).tolist()) for seed in range(50)}
    assert len(orders) > 40
    firsts = [int(np.argmin(tie_keys(np.arange(4), seed))) for seed in range(400)]
    assert min(np.bincount(firsts, minlength=4)) > 60


def test_nan_is_a_mistake_of_the_strategy() -> None:
    with pytest.raises(StrategyError, match="NaN"):
        Best(1).add(0, np.array([np.nan]))


@pytest.mark.parametrize(
    "name", ["dbal", "cluster-margin", "ceal", "information-density", "batchbald", "thompson"]
)
def test_equals_of_a_sorted_pool_are_drawn_from_all_of_it(name: str) -> None:
    """A pool sorted by class, and a model that says the same of every row, as one does at first."""
    count = 300
    data = {
        "probabilities": np.full((count, 3), 1.0 / 3.0),
        "embeddings": np.random.default_rng(0).normal(9.0, size=(count, 2)),
        "member_probabilities": np.full((count, 2, 3), 1.0 / 3.0),
        "member_predictions": np.ones((count, 2)),
    }
    if name == "information-density":
        data["embeddings"] = np.ones((count, 2))
    chosen = get(name)
    picked = [chosen(3, rng=seed, **{n: data[n] for n in chosen.needs}) for seed in range(8)]
    assert any((one.indices >= count // 2).any() for one in picked)
    assert len({tuple(one.indices.tolist()) for one in picked}) > 1
