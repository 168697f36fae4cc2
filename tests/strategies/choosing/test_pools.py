"""Both drivers on a small pool with a nearest-centroid model; everything is real but the oracle."""

from __future__ import annotations

import json

import numpy as np
import pytest

from querist.strategies.choosing.albl import Albl
from querist.strategies.choosing.auto import Auto, Rules
from querist.strategies.choosing.pools import AlblPool, AutoPool, Work
from querist.strategies.errors import NeedError

POOL, CLASSES = 240, 3
NAMES = ["margin", "k-center", "random"]


class Lab:
    """Three clusters, an oracle that counts, and a model of class means."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.truth = rng.integers(CLASSES, size=POOL + 60)
        centres = rng.normal(size=(CLASSES, 4))
        self.features = centres[self.truth] + 0.6 * rng.normal(size=(POOL + 60, 4))
        self.known: set[int] = set(range(6))
        self.bought: list[int] = []

    def label(self, rows: np.ndarray) -> None:
        assert not self.known & set(rows.tolist()), "a label is bought once"
        self.bought += rows.tolist()
        self.known |= set(rows.tolist())

    def fit(self, rows: np.ndarray) -> np.ndarray:
        assert set(rows.tolist()) <= self.known, "a model sees only what was paid for"
        present = np.unique(self.truth[rows])
        means = np.full((CLASSES, 4), 1e3)
        for one in present:
            means[one] = self.features[rows][self.truth[rows] == one].mean(axis=0)
        return means

    def probabilities(self, means: np.ndarray, rows: np.ndarray) -> np.ndarray:
        squares = ((self.features[rows][:, None] - means[None]) ** 2).sum(axis=2)
        odds = np.exp(squares.min(axis=1, keepdims=True) - squares)
        return odds / odds.sum(axis=1, keepdims=True)

    def evaluate(self, means: np.ndarray) -> tuple[float, float]:
        held = np.arange(POOL, POOL + 60)
        share = float(self.correct(means, held).mean())
        return share, float(np.sqrt(share * (1 - share) / 60))

    def correct(self, means: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return self.probabilities(means, rows).argmax(axis=1) == self.truth[rows]

    def data(self, means, rows, labelled, names) -> dict:
        assert not set(rows.tolist()) & set(labelled.tolist())
        return {
            "probabilities": self.probabilities(means, rows),
            "embeddings": self.features[rows],
            "labelled_embeddings": self.features[labelled],
            "items": rows,
        }

    @property
    def work(self) -> Work:
        return Work(self.label, self.fit, self.evaluate, self.data, self.correct)


def test_auto_buys_the_budget_and_its_model_learns_from_all_of_it() -> None:
    lab = Lab()
    run = AutoPool(Auto(NAMES, 60, 4), lab.work, POOL, range(6), seed=1).run()
    assert run.auto.paid == len(lab.bought) == 60
    assert run.labelled == [*range(6), *lab.bought]
    assert run.auto.chosen in NAMES
    assert lab.evaluate(run.model())[0] > lab.evaluate(lab.fit(np.arange(6)))[0]


def test_a_row_that_two_branches_pick_is_paid_once() -> None:
    # Two names of one strategy: the second branch finds everything bought by the first.
    lab = Lab()
    auto = Auto(["k-center", "core-set"], 40, 5, Rules(doubt=0.0, explore=1.0))
    run = AutoPool(auto, lab.work, POOL, range(6), seed=1)
    run.step()
    run.step()
    assert run.auto.paid == len(lab.bought) == 10
    one, other = run.auto.state()["branches"]
    assert one["labels"] == other["labels"] == [6, 11, 16]
    assert one["metric"] == other["metric"]


def test_a_branch_learns_from_its_own_picks_within_a_rung_and_from_all_after_it() -> None:
    lab = Lab()
    run = AutoPool(Auto(NAMES, 60, 4), lab.work, POOL, range(6), seed=1)
    run.step()
    branches = run.auto.state()["branches"]
    assert [branch["labels"] for branch in branches] == [[6, 10]] * 3
    assert len(run.labelled) > 10
    while not run.auto.due:
        run.step()
    shared, left = len(run.labelled), run.auto.alive
    assert len(left) == 2
    run.step()
    for branch in run.auto.state()["branches"]:
        if branch["strategy"] in left:
            assert branch["labels"][branch["start"] :] == [shared, shared + 4]
    run.run()
    winner = next(b for b in run.auto.state()["branches"] if b["strategy"] == run.auto.chosen)
    assert winner["labels"][-1] == len(run.labelled) == 66


@pytest.mark.parametrize("rounds", [0, 1, 3, 6])
def test_auto_goes_on_from_json(rounds: int) -> None:
    whole = AutoPool(Auto(NAMES, 60, 4), Lab().work, POOL, range(6), seed=1).run()
    lab = Lab()
    half = AutoPool(Auto(NAMES, 60, 4), lab.work, POOL, range(6), seed=1)
    for _ in range(rounds):
        half.step()
    again = AutoPool.restore(json.loads(json.dumps(half.state())), lab.work, POOL).run()
    assert again.state() == whole.state()


@pytest.mark.parametrize("rounds", [0, 2])
def test_albl_buys_the_budget_and_goes_on_from_json(rounds: int) -> None:
    lab = Lab()
    whole = AlblPool(Albl(NAMES, 30, POOL, 3), lab.work, range(6), batch=4, seed=1).run()
    assert len(lab.bought) == 30
    assert whole.labelled == [*range(6), *lab.bought]
    assert len(whole.albl.drawn) >= 30
    lab = Lab()
    half = AlblPool(Albl(NAMES, 30, POOL, 3), lab.work, range(6), batch=4, seed=1)
    for _ in range(rounds):
        half.step()
    again = AlblPool.restore(json.loads(json.dumps(half.state())), lab.work).run()
    assert again.state() == whole.state()


def test_a_pool_that_runs_dry_ends_both() -> None:
    lab = Lab()
    run = AutoPool(Auto(NAMES, 1000, 50), lab.work, POOL, range(6), seed=1).run()
    assert len(run.labelled) == POOL
    assert run.auto.stopped
    lab = Lab()
    run = AlblPool(Albl(NAMES, 1000, POOL, 3), lab.work, range(6), batch=50, seed=1).run()
    assert len(run.labelled) == POOL


def test_what_cannot_be_is_refused() -> None:
    lab = Lab()
    with pytest.raises(NeedError, match="start"):
        AutoPool(Auto(NAMES, 60, 4), lab.work, POOL, [1, 1])
    with pytest.raises(NeedError, match="random"):
        AlblPool(Albl(["margin"], 30, POOL, 3), lab.work, range(6))
    blind = Work(lab.label, lab.fit, lab.evaluate, lab.data)
    with pytest.raises(NeedError, match=r"Work\.correct"):
        AlblPool(Albl(NAMES, 30, POOL, 3), blind, range(6))
