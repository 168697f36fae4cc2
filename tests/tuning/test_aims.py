"""Objectives, fidelities and stop rules as they are told, and when to stop."""

from __future__ import annotations

import pytest

from querist.core.errors import ConfigError
from querist.tuning.aims import Aim, StopRule, read_aims, read_fidelity, read_stop
from querist.tuning.trial import Problem, Trial

SPACE = {"x": {"real": [0.0, 1.0]}, "s": {"choice": [1, 2, 4]}}


def test_one_objective_needs_no_reference_and_several_do() -> None:
    assert read_aims({"minimise": "a"}) == (Aim("a"),)
    goal = {"minimise": ["a"], "maximise": "b", "reference": {"a": 3, "b": 0.5}}
    assert read_aims(goal) == (Aim("a", False, 3.0), Aim("b", True, 0.5))


@pytest.mark.parametrize(
    "read, told, words",
    [
        (read_aims, {}, "one of minimise and maximise"),
        (read_aims, {"minimise": ["a", "b"], "reference": {"a": 1}}, "'b' has none"),
        (read_aims, {"minimise": "a", "reference": {"b": 1}}, "'b' is no objective"),
        (read_aims, {"minimise": "a", "maximise": "a"}, "named once"),
        (read_fidelity, {"setting": "s"}, "setting and target"),
        (read_stop, {"patient": 3}, "patient"),
        (read_stop, {"patience": 0}, "from 1 on"),
    ],
)
def test_what_makes_no_sense_is_refused(read, told, words) -> None:
    with pytest.raises(ConfigError, match=words):
        read(told)


def test_a_fidelity_is_a_number_that_always_exists() -> None:
    goal = {"minimise": "y", "fidelity": {"setting": "s", "target": 4}}
    problem = Problem.read(SPACE, goal, 5, 0)
    assert Problem.read(problem.space.plain(), problem.goal(), 5, 0) == problem
    cheap, dear = Trial({"x": 0.1, "s": 1}, {"y": 0.0}), Trial({"x": 0.1, "s": 4}, {"y": 1.0})
    assert problem.best([cheap, dear]) is dear
    assert problem.progress([cheap, dear]) == [None, 1.0]
    for told, words in (({"setting": "z", "target": 1}, "no number of"), ({}, "")):
        if told:
            with pytest.raises(ConfigError, match=words):
                Problem.read(SPACE, {"minimise": "y", "fidelity": told}, 5, 0)
    with pytest.raises(ConfigError, match=r"fidelity.target should be one of"):
        Problem.read(SPACE, {"minimise": "y", "fidelity": {"setting": "s", "target": 3}}, 5, 0)


def test_a_target_ends_it_in_either_direction() -> None:
    rule = StopRule(target=2.0)
    assert rule.reason([None, 3.0], larger=False) == ""
    assert "target of 2 is reached: 1.5" in rule.reason([None, 3.0, 1.5], larger=False)
    assert rule.reason([1.5], larger=True) == ""
    assert rule.reason([2.0], larger=True)


def test_patience_counts_runs_since_the_last_improvement_that_matters() -> None:
    rule = StopRule(patience=3, gain=0.1)
    assert rule.reason([None] * 9, larger=False) == ""
    assert rule.reason([5.0, 4.0, 3.95, 3.95], larger=False) == ""
    assert "3 runs in a row" in rule.reason([5.0, 4.0, 3.95, 3.95, 3.95], larger=False)
    assert rule.reason([5.0, 4.0, 3.95, 3.89, 3.89], larger=False) == ""  # 0.11 since 4.0
    assert rule.reason([1.0, 2.0, 3.0, 4.0], larger=True) == ""
