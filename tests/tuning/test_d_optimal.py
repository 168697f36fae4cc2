"""Designs that a study asks for, against those that are known."""

from __future__ import annotations

import itertools

import pytest

from querist.core.errors import ConfigError
from querist.tuning.design import log_det, terms
from querist.tuning.search import make_search
from querist.tuning.searches.d_optimal import regressors
from querist.tuning.study import Study
from querist.tuning.trial import Problem, Trial

LINE = {"x": {"integer": [-10, 10]}}


def search(space, runs, **options):
    return make_search("d_optimal", Problem.read(space, {"minimise": "y"}, runs, 0), options)


def test_a_study_measures_a_parabola_at_ends_and_middle(tmp_path) -> None:
    study = Study(
        space=LINE,
        minimise="y",
        simulation=lambda x: {"y": x * x},
        search="d_optimal",
        budget={"runs": 3},
        engine="inline",
    )
    result = study.run(tmp_path / "run", progress=False)
    assert sorted(trial.settings["x"] for trial in result.trials) == [-10, 0, 10]


def test_what_is_known_is_part_and_what_failed_is_replaced() -> None:
    made = search(LINE, 3)
    made.tell([Trial({"x": -10}, {"y": 1.0}, origin="elsewhere")])
    first = made.ask(3, [])
    assert sorted(values["x"] for values in first)[1:] == [0, 10]  # and one beside a support point
    made.tell([Trial({"x": 0}, failure="it exploded")])
    again = made.ask(5, [])
    assert len(again) == 2
    assert {values["x"] for values in again} & {-1, 1}
    assert made.ask(3, again) == []


def test_a_real_plane_is_measured_at_its_corners() -> None:
    space = {name: {"real": [1.0, 100.0], "log": name == "b"} for name in "ab"}
    found = search(space, 4, terms="interactions").ask(4, [])
    corners = set(itertools.product([1.0, 100.0], repeat=2))
    assert {(round(v["a"], 6), round(v["b"], 6)) for v in found} == corners


def test_regressors_are_those_of_the_design_and_indicators() -> None:
    problem = Problem.read(
        {"x": {"real": [0.0, 2.0]}, "m": {"choice": ["a", "b", "c"]}}, {"minimise": "y"}, 9, 0
    )
    points = [{"x": 0.0, "m": "a"}, {"x": 2.0, "m": "b"}, {"x": 1.5, "m": "c"}]
    told = regressors(problem.space, points, "quadratic")
    assert told[:, :2].tolist() == terms([[-1.0], [1.0], [0.5]], "linear").tolist()
    assert told[:, 2:4].tolist() == [[0, 0], [1, 0], [0, 1]]
    assert told[:, 4:6].tolist() == [[0, 0], [1, 0], [0, 0.5]]
    assert told[:, 6].tolist() == [1, 1, 0.25]
    chosen = make_search("d_optimal", problem, {}).ask(9, [])
    assert log_det(regressors(problem.space, chosen, "quadratic")) > 4.0


def test_what_no_design_can_do_is_said() -> None:
    with pytest.raises(ConfigError, match="fewer terms"):
        search({"x": {"integer": [0, 5]}, "same": {"choice": [1]}}, 8)
    with pytest.raises(ConfigError, match="budget runs"):
        search(LINE, None)
    with pytest.raises(ConfigError, match="cubic"):
        search(LINE, 5, terms="cubic")


def test_a_setting_that_exists_sometimes_is_nested() -> None:
    space = {"k": {"choice": ["a", "b"]}, "x": {"real": [0, 1], "when": {"k": "b"}}}
    found = search(space, 3, terms="linear").ask(3, [])
    assert sorted((v["k"], v.get("x")) for v in found) == [("a", None), ("b", 0.0), ("b", 1.0)]
