"""Trials and problems: what is wanted, what holds, which trial is best."""

from __future__ import annotations

import math

import pytest
from tuning_problems import GOAL, SPACE

from querist.core.errors import ConfigError
from querist.tuning.trial import Problem, Trial, described


def trial(loss: float, error: float, **more) -> Trial:
    return Trial({"x": loss}, {"loss": loss, "error": error}, **more)


def test_the_best_keeps_all_limits() -> None:
    problem = Problem.read(SPACE, GOAL, 10, 0)
    trials = [trial(1.0, 0.4), trial(0.5, 0.6), trial(0.8, 0.5), Trial({}, {}, 1.0, "it broke")]
    assert problem.best(trials) is trials[2]
    assert problem.best(trials[1:2]) is None
    up = Problem.read(
        SPACE, {"maximise": "loss", "constraints": {"error": {"at_least": 0.45}}}, 1, 0
    )
    assert up.best(trials) is trials[2]
    assert up.loss(trials[0]) == -1.0


def test_a_problem_comes_back_from_its_plain_data() -> None:
    goal = {"maximise": "loss", "constraints": {"error": {"at_least": 0.1, "at_most": 0.5}}}
    problem = Problem.read(SPACE, goal, 7, 3)
    assert Problem.read(problem.space.plain(), problem.goal(), 7, 3) == problem
    told = trial(1.0, 0.2, cost=2.0, ended=3.0)
    assert Trial.of(told.plain()) == told


def test_a_trial_without_a_wanted_number_failed() -> None:
    problem = Problem.read(SPACE, GOAL, None, 0)
    assert problem.judged(trial(1.0, 0.1)).failure == ""
    assert "'error'" in problem.judged(Trial({}, {"loss": 1.0})).failure
    assert problem.judged(trial(math.nan, 0.1)).failure
    assert problem.judged(trial(math.nan, 0.1)).outputs == {}


@pytest.mark.parametrize(
    "goal, words",
    [
        ({}, "one of minimise and maximise"),
        ({"minimise": "a", "maximise": "b"}, "'a' has none"),
        ({"minimise": "a", "constraints": {"b": {"below": 1}}}, "at_most"),
    ],
)
def test_goals_that_make_no_sense_are_refused(goal, words) -> None:
    with pytest.raises(ConfigError, match=words):
        Problem.read(SPACE, goal, None, 0)


def test_settings_in_words() -> None:
    assert described({"x": 0.123456, "m": "b", "on": True}) == "x 0.1235, m b, on True"
