"""``querist.select`` and the decorators that make a strategy."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import querist
from querist.core.errors import MissingExtra
from querist.strategies.contract import batchwise, pointwise
from querist.strategies.errors import BudgetError, NeedError, StrategyError

ABOUT = {"paper": "none", "cost": "O(n)", "use": "in tests"}
ODDS = np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4]])


def test_one_line() -> None:
    picked = querist.select("margin", 2, probabilities=ODDS)
    assert picked.indices.tolist() == [1, 2]
    np.testing.assert_allclose(picked.scores, [0.0, -0.2])
    assert (picked.strategy, picked.pool, len(picked)) == ("margin", 3, 2)
    with pytest.raises(ValueError, match="read-only"):
        picked.indices[0] = 1


def test_a_stream_that_can_be_read_once_is_enough_for_scores() -> None:
    assert querist.select("margin", 1, probabilities=iter([ODDS[:1], ODDS[1:]])).pool == 3
    with pytest.raises(BudgetError, match="more than the pool's 3"):
        querist.select("margin", 4, probabilities=iter([ODDS]))


def test_ties_are_ordered_at_random_by_a_seed_and_by_index_without() -> None:
    even = np.full((50, 2), 0.5)
    assert querist.select("margin", 4, probabilities=even).indices.tolist() == [0, 1, 2, 3]
    firsts = {
        int(querist.select("margin", 1, probabilities=even, rng=s).indices[0]) for s in range(9)
    }
    assert len(firsts) > 3


def test_a_function_of_ones_own() -> None:
    @pointwise(**ABOUT)
    def far(embeddings, power=2):
        return abs(embeddings[:, 0]) ** power

    picked = querist.select(far, 1, embeddings=np.array([[1.0], [-3.0]]), power=3)
    assert (picked.indices[0], picked.scores[0], picked.strategy) == (1, 27.0, "far")
    assert (far.needs, far.options, far.random, far.family) == (
        ("embeddings",),
        {"power": 2},
        False,
        "own",
    )
    np.testing.assert_array_equal(far.scores(embeddings=np.array([[1.0], [-3.0]])), [1.0, 9.0])


def test_a_parameter_that_is_no_kind_of_data_is_refused() -> None:
    with pytest.raises(NeedError, match="'colour'"):
        pointwise(**ABOUT)(lambda probabilities, colour: probabilities[:, 0])
    with pytest.raises(NeedError, match="no data of the pool"):
        pointwise(**ABOUT)(lambda labels: labels)


def test_picking_a_row_twice_is_a_mistake_of_the_strategy() -> None:
    @batchwise(**ABOUT)
    def stuck(embeddings, *, budget):
        return np.zeros(budget, int), np.zeros(budget)

    with pytest.raises(StrategyError, match="1 different rows"):
        querist.select(stuck, 2, embeddings=np.zeros((3, 1)))
    with pytest.raises(NeedError, match="no score of a row"):
        stuck.scores(embeddings=np.zeros((3, 1)))


def test_unusable_randomness_is_refused() -> None:
    with pytest.raises(NeedError, match="a seed or a numpy"):
        querist.select("random", 1, items=range(3), rng="seed")


def test_qlogei_without_torch_and_botorch_names_the_extra_that_brings_both(monkeypatch) -> None:
    for package in ("torch", "botorch"):
        monkeypatch.setitem(sys.modules, package, None)
    rows = np.random.default_rng(0).normal(size=(6, 2))
    known = {"labelled_embeddings": rows[:3], "labels": rows[:3, :1]}
    with pytest.raises(MissingExtra, match=r"pip install 'querist\[botorch\]'"):
        querist.select("qlogei", 1, embeddings=rows, **known)
