"""Which run is recommended: the best one, and under noise the one expected to be best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.tuning.recommending import recommended
from querist.tuning.study import StudyResult
from querist.tuning.trial import Problem, Trial

LINE = {"x": {"real": [0.0, 1.0]}}


def runs(noise: float, seed: int = 0, count: int = 40) -> list[Trial]:
    """A parabola with its minimum at 0.3, at even points."""
    rng = np.random.default_rng(seed)
    places = np.linspace(0.0, 1.0, count)
    values = 10 * (places - 0.3) ** 2 + noise * rng.standard_normal(count)
    return [Trial({"x": x}, {"y": y, "g": x}) for x, y in zip(places, values.tolist(), strict=True)]


def away(trial: Trial | None) -> float:
    assert trial is not None
    return abs(trial.settings["x"] - 0.3)


def test_under_noise_no_lucky_run_is_recommended() -> None:
    problem = Problem.read(LINE, {"minimise": "y"}, None, 0)
    every = [runs(0.5, seed) for seed in range(10)]
    lucky = np.mean([away(problem.best(trials)) for trials in every])
    assert np.mean([away(recommended(problem, trials)) for trials in every]) < 0.6 * lucky


@pytest.mark.parametrize("trials", [runs(0.0), runs(0.5)[:6]], ids=["exact", "few"])
def test_without_noise_and_of_few_runs_the_best_is_recommended(trials) -> None:
    problem = Problem.read(LINE, {"minimise": "y"}, None, 0)
    assert recommended(problem, trials) is problem.best(trials)


def test_limits_failures_and_constant_results() -> None:
    goal = {"minimise": "y", "constraints": {"g": {"at_least": 0.5}}}
    problem = Problem.read(LINE, goal, None, 0)
    trials = [Trial({"x": 0.31}, {}, failure="it broke"), *runs(0.5)]
    found = recommended(problem, trials)
    assert found is not None
    assert found.outputs["g"] >= 0.5
    assert recommended(problem, trials[:10]) is None
    plain = Problem.read(LINE, {"minimise": "y"}, None, 0)
    same = [Trial({"x": n / 10}, {"y": 1.0}) for n in range(10)]
    assert recommended(plain, same) is same[0]


def test_a_studys_sentence_names_it_beside_the_best() -> None:
    problem = Problem.read(LINE, {"minimise": "y"}, None, 0)
    for noise, said in ((0.5, True), (0.0, False)):
        result = StudyResult(Path("runs/noisy"), problem, tuple(runs(noise, seed=1)))
        assert ("if results are noisy, rather x 0." in result.sentence()) == said
        assert (result.recommended is not result.best) == said
