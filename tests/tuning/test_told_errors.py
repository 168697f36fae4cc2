"""Standard errors that runs tell: read, checked, and learned from."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from querist.cli import main
from querist.core.errors import ConfigError
from querist.tuning.recommending import recommended
from querist.tuning.search import make_search
from querist.tuning.searches.beliefs import Process, likelier, with_usual
from querist.tuning.searches.fidelities import Related
from querist.tuning.showing import best_so_far
from querist.tuning.study import Study, study_of
from querist.tuning.trial import Problem, Trial

LINE = {"x": {"real": [0.0, 1.0]}}
GOAL = {"minimise": "y", "errors": {"y": "y_error"}}


def problem(space=LINE, runs=20, **goal) -> Problem:
    return Problem.read(space, {**GOAL, **goal}, runs, 0)


def measured(x: float, rng: np.random.Generator) -> Trial:
    """A parabola with its minimum at 0.3; on the right half results are loud."""
    error = 0.02 if x < 0.5 else 2.0
    outputs = {"y": 4 * (x - 0.3) ** 2 + error * rng.standard_normal(), "y_error": error}
    return Trial({"x": x}, outputs)


def test_errors_come_back_from_plain_data_and_are_wanted() -> None:
    limited = {"constraints": {"waste": {"at_most": 1.0}}}
    told = problem(**limited, errors={"y": "y_error", "waste": "spread"})
    assert told.wanted == ("y", "waste", "y_error", "spread")
    assert Problem.read(told.space.plain(), told.goal(), 20, 0) == told
    trials = [Trial({"x": 0.1}, {"y": 1.0, "waste": 0.5, "y_error": 0.5, "spread": 3.0})]
    assert told.variances(trials, "y").tolist() == [0.25]
    assert replace(told, errors={}).variances(trials, "y") is None


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ({"yy": "e"}, "'yy' is no objective and has no bound; known: y. Did you mean 'y'?"),
        ({"y": "y"}, r"errors.y: wants the name of another output, such as \{y: y_error\}"),
        ({"y": 0.1}, "got 0.1"),
        (["y"], "errors names by output"),
    ],
)
def test_errors_of_nothing_are_refused(errors, said) -> None:
    with pytest.raises(ConfigError, match=said):
        problem(errors=errors)


@pytest.mark.parametrize("error", [0.0, -0.1, math.nan, math.inf])
def test_an_error_that_is_none_is_a_failure_that_says_so(error) -> None:
    found = problem().judged(Trial({"x": 0.1}, {"y": 1.0, "y_error": error}))
    said = f"the standard error 'y_error' of 'y' is {error:g}, but a finite number above zero"
    assert found.failure.startswith(said)
    assert found.outputs == {}
    missing = problem().judged(Trial({"x": 0.1}, {"y": 1.0}))
    assert missing.failure == "it gave no finite number 'y_error', only: y"


def test_loud_results_are_believed_less() -> None:
    rng = np.random.default_rng(0)
    X = np.linspace(0, 1, 12)[:, None]
    noise = np.where(X[:, 0] < 0.5, 0.01, 1.0) ** 2
    y = 4 * (X[:, 0] - 0.3) ** 2 + np.sqrt(noise) * rng.standard_normal(12)
    process = likelier(X, y, noise)
    assert process.held.noise * process.held.y.std**2 == pytest.approx(noise, rel=1e-4)
    std = process(X)[1]
    assert std[:6].max() < 0.02
    assert std[7:].min() > 0.1
    assert with_usual(None, 2) is None
    more = process.believing(np.array([[0.5]]))
    assert more.noise[-1] == pytest.approx(np.median(noise))


def test_where_results_are_mostly_noise_a_run_is_expected_to_tell_little() -> None:
    X = np.array([[0.1], [0.4], [0.6], [0.9]])
    y, loud = np.array([1.0, 0.0, 1.0, 0.0]), np.array([1e-4, 1e-4, 4.0, 4.0])
    process, at = Process(X, y, noise=loud), np.array([[0.0], [1.0]])
    (_, std), (mean, learned) = process(at), process.learned(at)
    assert mean == pytest.approx(process(at)[0])
    assert learned[0] > 0.8 * std[0]
    assert learned[1] < 0.65 * std[1]
    plain = Process(X, y)
    assert plain.learned(at)[1].tolist() == plain(at)[1].tolist()


def test_what_is_recommended_is_no_lucky_loud_run() -> None:
    told, away = problem(), {True: [], False: []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        trials = [measured(float(x), rng) for x in np.linspace(0.02, 0.98, 25)]
        for said in away:
            found = recommended(told if said else replace(told, errors={}), trials)
            away[said].append(abs(found.settings["x"] - 0.3))
    assert max(away[True]) < 0.1
    assert np.mean(away[False]) > 3 * np.mean(away[True])


def test_a_limit_with_errors_is_kept_where_that_is_expected() -> None:
    """The bound is x at most 0.5; one of the loud measurements beyond seems to keep it."""
    limited = {"constraints": {"g": {"at_most": 0.5}}}
    told = problem(**limited, errors={"g": "g_error"})
    places = np.linspace(0.0, 1.0, 21)
    trials = [Trial({"x": x}, {"y": -x, "g": x, "g_error": 0.02}) for x in places.tolist()]
    trials[18] = Trial({"x": 0.9}, {"y": -0.9, "g": 0.4, "g_error": 0.5})
    assert told.best(trials) is trials[18]
    assert recommended(told, trials).settings["x"] == pytest.approx(0.5, abs=0.051)
    beliefs = make_search("gp", told)
    beliefs.tell(trials)
    assert beliefs.refit().incumbent == pytest.approx(-0.5, abs=0.06)


def test_the_search_is_not_led_astray_by_loud_results() -> None:
    """A quiet well at 0.2, and a loud one, by 0.3 less deep, at 0.8."""

    def exact(x: float) -> float:
        return min(10 * (x - 0.2) ** 2, 10 * (x - 0.8) ** 2 + 0.3)

    def regret(said: bool, seed: int) -> float:
        told = replace(problem(), seed=seed)
        told = told if said else replace(told, errors={})
        search = make_search("gp", told, {"candidates": 64, "cost_aware": False})
        rng = np.random.default_rng([seed, 1])
        for _ in range(16):
            [values] = search.ask(1, [])
            error = 0.01 if values["x"] < 0.5 else 0.7
            y = exact(values["x"]) + error * rng.standard_normal()
            search.tell([Trial(values, {"y": y, "y_error": error})])
        return exact(recommended(told, search.trials).settings["x"])

    found = {said: np.mean([regret(said, seed) for seed in range(5)]) for said in (True, False)}
    assert found[True] < 0.05
    assert found[False] > 3 * found[True]


@pytest.mark.parametrize("acquisition", ["ei", "ucb", "thompson"])
def test_several_objectives_have_errors_of_their_own(acquisition) -> None:
    goal = {
        "minimise": ["a", "b"],
        "reference": {"a": 3.0, "b": 3.0},
        "errors": {"a": "a_error", "b": "b_error"},
    }
    told = Problem.read({"x": {"real": [-1, 3]}}, goal, 10, 0)
    search = make_search("gp", told, {"acquisition": acquisition, "candidates": 32})
    for _ in range(8):
        [values] = search.ask(1, [])
        x = values["x"]
        outputs = {"a": x**2, "b": (x - 2) ** 2, "a_error": 0.1, "b_error": 0.2}
        search.tell([Trial(values, outputs, 1.0)])
    assert told.progress(search.trials)[-1] > 2.0


def test_cheap_runs_may_be_loud() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([np.tile(np.linspace(0, 1, 8), 2), np.repeat([0.0, 1.0], 8)])
    noise = np.where(X[:, 1] < 1, 0.3, 0.01) ** 2
    y = np.sin(5 * X[:, 0]) + np.sqrt(noise) * rng.standard_normal(16)
    related = Related(X, y, 1, 1.0, noise=noise)
    at = np.array([[0.25, 1.0]])
    assert related(at)[1][0] < 0.2
    assert related.believing(at).noise[-1] == np.median(noise)
    told = problem({**LINE, "s": {"choice": [1, 2]}}, fidelity={"setting": "s", "target": 2})
    search = make_search("gp", told, {"candidates": 32})
    for _ in range(8):
        [values] = search.ask(1, [])
        error = 0.3 / values["s"]
        outputs = {"y": (values["x"] - 0.3) ** 2 + error * rng.standard_normal(), "y_error": error}
        search.tell([Trial(values, outputs, float(values["s"]))])
    assert told.best(search.trials) is not None


@pytest.mark.slow
def test_botorch_takes_them_as_the_variances_of_its_labels() -> None:
    search = make_search("botorch", problem(), {"candidates": 16, "samples": 8})
    rng = np.random.default_rng(0)
    trials = [measured(float(x), rng) for x in np.linspace(0, 1, 8)]
    search.tell(trials)
    assert search.ask(1, [])
    model = search._function.model.models[0]
    noise = model.likelihood.noise.detach().numpy() * float(model.outcome_transform.stdvs) ** 2
    assert noise.ravel() == pytest.approx([t.outputs["y_error"] ** 2 for t in trials], rel=1e-6)


def noisy(x: float) -> dict[str, float]:
    """The mean of three measurements; near 1 they are all the same."""
    return {"y": (x - 0.3) ** 2, "y_error": 0.0 if x > 0.9 else 0.05}


def test_a_study_tells_of_errors_that_are_none(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    base = {
        "space": LINE,
        **GOAL,
        "simulation": "test_told_errors:noisy",
        "begin": [{"x": 1.0}],
        "budget": {"runs": 5},
        "engine": "inline",
        "search": {"use": "gp", "options": {"candidates": 16}},
    }
    result = Study(**base).run(tmp_path / "run", progress=False)
    assert "'y_error' of 'y' is 0, but a finite number above zero" in result.trials[0].failure
    assert result.best.outputs["y_error"] == 0.05
    assert study_of(tmp_path / "run").problem.errors == GOAL["errors"]
    assert "<svg" in best_so_far(result)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**base, "search": "sobol"}))
    said = CliRunner().invoke(main, ["check", "study.yaml"])
    assert "the search sobol does not look at errors; what is recommended does" in said.output
