"""The example of experiments that tell mechanisms apart: what it computes, and that it can fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "experiment_design"
MODULES = ("mechanisms", "check")


def test_mechanisms_agree_where_little_is_adsorbed_and_differ_where_b_crowds_out_a(example) -> None:
    rates = example.mechanisms.rates
    both, one = np.array([[4.0, 0.5, 0.5]]), np.array([[2.0, 0.5]])
    thin = np.array([[1e-4, 1e-4]])
    assert rates(0, thin, both)[0, 0] == pytest.approx(rates(1, thin, one)[0, 0], rel=1e-3)
    more = np.array([[0.5, 10.0], [0.5, 100.0]])
    assert np.diff(rates(0, more, both)[:, 0])[0] < 0 < np.diff(rates(1, more, one)[:, 0])[0]


def test_the_judge_is_bayes_rule_on_draws(example) -> None:
    """One draw each: the odds are the ratio of two normal densities."""
    judge = example.mechanisms.Judge(np.array([[[0.5]], [[0.6]]]))
    judge.tell(0, 0.52)
    z = (np.array([0.52 - 0.5, 0.52 - 0.6]) / example.mechanisms.NOISE) ** 2
    want = 1 / (1 + np.exp(0.5 * (z[0] - z[1])))
    assert judge.probabilities[0] == pytest.approx(want)
    assert judge.effective == pytest.approx(1.0)


def test_an_experiment_where_predictions_agree_is_not_chosen(example) -> None:
    same, apart = [[0.5, 0.5], [0.5, 0.5]], [[0.2, 0.2], [0.7, 0.7]]
    predictions = np.array([[s, a] for s, a in zip(same, apart, strict=True)])
    found = example.mechanisms.Judge(predictions).information()
    assert found[0] == pytest.approx(0.0, abs=1e-9)
    assert found[1] > 0.5


def test_a_factorial_design_is_looked_at_as_a_whole(example) -> None:
    start = example.mechanisms.Judge.new()
    told = example.mechanisms.series(start, 0, "factorial", seed=0)
    assert told.experiments % 9 == 0
    assert set(told.rows[:9]) == set(example.mechanisms.factorial())
    again = example.mechanisms.series(start, 0, "factorial", seed=0)
    assert again == told


def test_the_check_fails_where_choosing_does_not_pay(example) -> None:
    usual = {"series": 100, "mean": 20.0, "wrong": 0, "unsure": 0}
    found = {(t, d): dict(usual) for t in (0, 1) for d in ("discriminating", "factorial")}
    assert len(example.check.wrong(found)) == 2
    for truth in (0, 1):
        found[truth, "discriminating"]["mean"] = 5.0
    assert example.check.wrong(found) == []
    found[0, "discriminating"]["wrong"] = 15
    assert "15 of 200" in example.check.wrong(found)[0]
