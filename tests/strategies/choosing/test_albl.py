from __future__ import annotations

import json
import math

import numpy as np
import pytest

from querist.core.errors import ShapeError
from querist.strategies.choosing.albl import Albl
from querist.strategies.errors import BudgetError, NeedError

ADVICE = {"a": [3, 4], "b": [4], "random": None}


def bandit(queries: int = 50, pool: int = 10, seed: int = 0) -> Albl:
    return Albl(list(ADVICE), queries, pool, seed)


def test_rows_are_drawn_from_the_mixture_and_weigh_its_inverse() -> None:
    albl = bandit()
    p = albl.probabilities()
    assert p == pytest.approx([1 / 3] * 3)
    rows = np.array([albl.draw(ADVICE) for _ in range(6000)])
    wanted = np.full(10, p[2] / 10)
    wanted[3] += p[0] / 2
    wanted[4] += p[0] / 2 + p[1]
    seen = np.bincount(rows, minlength=10) / len(rows)
    assert np.abs(seen - wanted).max() < 4 * math.sqrt(0.25 / len(rows))
    assert albl.weights == pytest.approx((1 / wanted[rows]).tolist())


def test_the_reward_is_an_unbiased_estimate_of_the_pools_accuracy() -> None:
    right = np.array([True, False, True, True, False, True, False, True, True, True])
    rewards = []
    for seed in range(400):
        albl = bandit(seed=seed)
        drawn = [albl.draw(ADVICE) for _ in range(12)]
        rewards.append(albl.observe(right[drawn]))
    error = np.std(rewards) / math.sqrt(len(rewards))
    assert abs(np.mean(rewards) - right.mean()) < 4 * error
    assert error < 0.02


def test_one_update_is_exp4p_written_out() -> None:
    albl = bandit()
    row = albl.draw(ADVICE)
    psi = [[3, 4].count(row) / 2, [4].count(row) / 1, 1 / 10]
    q = sum(psi) / 3
    reward = albl.observe([True])
    assert reward == pytest.approx(1 / q / 10)
    floor = math.sqrt(math.log(3) / (3 * 50))
    bonus = 3 * math.sqrt(math.log(3 / 0.1) / (3 * 50))
    w = [math.exp(floor / 2 * (reward * one / q + bonus)) for one in psi]
    expected = [(1 - 3 * floor) * one / sum(w) + floor for one in w]
    assert albl.probabilities() == pytest.approx(expected)


def test_a_strategy_after_which_the_model_is_better_is_followed_more() -> None:
    albl = Albl(["good", "bad", "random"], 400, 1000, 1)
    for _ in range(400):
        row = albl.draw({"good": [1], "bad": [999], "random": None})
        albl.observe([row == 1] * len(albl.drawn))
    good, bad, _ = albl.probabilities()
    assert good > 2 * bad


def test_no_strategy_is_ever_given_up() -> None:
    albl = bandit(queries=2000)
    for _ in range(500):
        row = albl.draw(ADVICE)
        albl.observe([True] * len(albl.drawn) if row == 4 else [False] * len(albl.drawn))
    assert albl.probabilities().min() >= albl.floor
    assert albl.probabilities().sum() == pytest.approx(1)


def test_equal_seeds_draw_equal_rows() -> None:
    one, other, third = bandit(seed=5), bandit(seed=5), bandit(seed=6)
    rows = [[albl.draw(ADVICE) for _ in range(20)] for albl in (one, other, third)]
    assert rows[0] == rows[1] != rows[2]


def test_it_goes_on_from_json_as_if_nothing_had_happened() -> None:
    def play(albl: Albl, rounds: int) -> None:
        for _ in range(rounds):
            albl.draw(ADVICE)
            albl.draw(ADVICE)
            albl.observe(np.array(albl.drawn) % 3 == 0)

    whole, half = bandit(), bandit()
    play(whole, 6)
    play(half, 3)
    half.draw(ADVICE)  # told of only after the interruption
    half = Albl.restore(json.loads(json.dumps(half.state())))
    half.draw(ADVICE)
    half.observe(np.array(half.drawn) % 3 == 0)
    play(half, 2)
    assert half.state() == whole.state()


def test_a_single_strategy_needs_no_bandit() -> None:
    albl = Albl(["random"], 10, 5, 0)
    albl.draw({"random": None})
    albl.observe([False])
    assert albl.probabilities() == pytest.approx([1.0])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NeedError, match="each once"):
        Albl(["a", "a"], 10, 5, 0)
    with pytest.raises(NeedError, match="delta"):
        Albl(["a"], 10, 5, 0, delta=0.0)
    with pytest.raises(BudgetError):
        Albl(["a"], 0, 5, 0)
    with pytest.raises(NeedError, match="advice of a, b, random"):
        bandit().draw({"a": [1]})
    with pytest.raises(ShapeError, match="at least one row"):
        bandit().draw({"a": [], "b": [1], "random": None})
    with pytest.raises(ShapeError, match="one truth"):
        bandit().observe([])
    with pytest.raises(NeedError, match="version"):
        Albl.restore({"version": 0})
