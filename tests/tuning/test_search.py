"""Every search passes one contract, and the ones that learn beat chance."""

from __future__ import annotations

import math
import sys
from itertools import product

import numpy as np
import pytest
from tuning_problems import GOAL, SPACE, Evolution, simulate

from querist.core.errors import ConfigError, ContractError
from querist.tuning.search import SEARCHES, Search, check_search, make_search
from querist.tuning.trial import Problem, Trial

FINITE = {"m": {"choice": ["a", "b"]}, "k": {"integer": [1, 3], "when": {"m": "b"}}}
OPTIONS = {
    "gp": {"candidates": 64},
    "botorch": {"candidates": 16, "samples": 8},
    "ask_tell": {"optimiser": "tuning_problems:Evolution", "options": {"width": len(SPACE)}},
    "gest": {"generator": "gest_problems:Halton"},
    "d_optimal": {"terms": "linear"},
    "discriminate": {
        "models": {"one": lambda **settings: 0.0, "other": lambda x, **settings: x},
        "noise": 0.1,
        "candidates": 32,
    },
}
SLOW = {"botorch"}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in SEARCHES]


def problem(name: str = "", runs: int | None = 12, seed: int = 1) -> Problem:
    space = dict(SPACE)
    if name == "grid":
        space |= {n: {**space[n], "levels": 2} for n in ("x", "rate", "mix")}
    return Problem.read(space, GOAL, runs, seed)


def tried(problem: Problem, values) -> Trial:
    try:
        outputs = simulate(**values)
    except ValueError as error:
        return Trial(values, {}, 0.5, str(error))
    return problem.judged(Trial(values, outputs, outputs["hours"]))


def fronts(use: str, options: dict, runs: int, seed: int = 0) -> float:
    """The hypervolume of two bowls and a limit, up to (6, 6)."""
    goal = {
        "minimise": ["a", "b"],
        "reference": {"a": 6.0, "b": 6.0},
        "constraints": {"z": {"at_most": 0.9}},
    }
    told = Problem.read({"x": {"real": [-2, 4]}, "z": {"real": [0, 1]}}, goal, runs, seed)
    search, trials = make_search(use, told, options), []
    for _ in range(runs):
        [values] = search.ask(1, [])
        x, z = values["x"], values["z"]
        trials.append(Trial(values, {"a": x**2 + z, "b": (x - 2) ** 2 + z, "z": z}, 1.0))
        search.tell(trials[-1:])
    return told.progress(trials)[-1]


@pytest.mark.parametrize(
    "use, options",
    [
        ("gp", {"candidates": 128}),
        pytest.param("botorch", {"candidates": 64, "samples": 16}, marks=pytest.mark.slow),
    ],
)
def test_several_objectives_are_traded_off_better_than_by_chance(use, options) -> None:
    chance = fronts("random", {}, 14)
    found = fronts(use, options, 14)
    assert chance < found - 2.0
    assert 29.0 < found < 33.34  # that of the whole front


def searched(problem: Problem, search: Search, runs: int) -> list[Trial]:
    trials: list[Trial] = []
    while len(trials) < runs:
        points = search.ask(1, [])
        assert points, "it gave up"
        trials.append(tried(problem, problem.space.own(points[0])))
        search.tell(trials[-1:])
    return trials


def best(problem: Problem, trials: list[Trial]) -> float:
    found = problem.best(trials)
    return math.inf if found is None else problem.loss(found)


@pytest.mark.parametrize("name", NAMES)
def test_points_are_in_the_space_and_none_is_tried_twice(name) -> None:
    told = problem(name)
    search = make_search(name, told, OPTIONS.get(name))
    assert isinstance(search, Search)
    first = tried(told, told.space.point([0.2, 0.4, 0.9, 0.5, 0.5]))
    broken = tried(told, {"x": 0.5, "rate": 0.1, "order": 8, "method": "a"})
    assert broken.failure
    search.tell([broken, first])  # known beforehand, the failure first
    pending = [told.space.own(values) for values in search.ask(3, [])]
    assert 1 <= len(pending) <= 3
    keys = {told.space.key(values) for values in [*pending, first.settings, broken.settings]}
    assert len(keys) == len(pending) + 2
    search.tell([tried(told, pending[0])])
    for values in search.ask(2, pending[1:]):
        assert told.space.key(told.space.own(values)) not in keys


@pytest.mark.parametrize("name", ["random", "sobol", "grid", "gp"])
def test_a_small_space_is_tried_to_its_end(name) -> None:
    told = Problem.read(FINITE, {"minimise": "loss"}, None, 0)
    search = make_search(name, told)
    seen = set()
    for _ in range(4):
        [values] = search.ask(1, [])
        seen.add(told.space.key(values))
        search.tell([Trial(values, {"loss": float(values.get("k", 0))}, 1.0)])
    assert len(seen) == 4
    assert search.ask(1, []) == []


@pytest.mark.slow
def test_learning_beats_chance() -> None:
    runs, found = 28, {}
    for name in ("gp", "random"):
        losses = []
        for seed in range(2):
            told = problem(runs=runs, seed=seed)
            search = make_search(name, told, {"candidates": 128} if name == "gp" else {})
            losses.append(best(told, searched(told, search, runs)))
        found[name] = np.mean(losses)
    assert found["gp"] < 0.3 * found["random"]


def test_what_is_dear_is_avoided_while_much_is_left_to_spend() -> None:
    spent = {True: 0.0, False: 0.0}
    for aware, seed in product(spent, range(3)):
        told = Problem.read({"x": {"real": [0.0, 1.0]}}, {"minimise": "loss"}, 200, seed)
        search = make_search("gp", told, {"candidates": 128, "cost_aware": aware, "first": 4})
        for number in range(12):
            [values] = search.ask(1, [])
            wells = 40.0 * ((values["x"] - 0.2) * (values["x"] - 0.8)) ** 2 - 0.3 * values["x"]
            trial = Trial(values, {"loss": wells}, float(np.exp(6 * values["x"])))
            search.tell([trial])
            spent[aware] += trial.cost if number >= 4 else 0.0
    assert spent[True] < 0.9 * spent[False]


def test_the_weight_of_cost_falls_to_nothing() -> None:
    told = problem(runs=10)
    search = make_search("gp", told, {"first": 2})
    assert search.cost_weight == 1.0
    search.tell([tried(told, told.space.point(place)) for place in np.full((10, 5), 0.5)])
    assert search.cost_weight == 0.0


@pytest.mark.slow
def test_a_failing_region_is_learned() -> None:
    told = problem(runs=30)
    search = make_search("gp", told, {"candidates": 128})
    trials = searched(told, search, 30)
    assert sum(bool(trial.failure) for trial in trials[15:]) <= 1


def test_optuna_learns_from_trials_of_others() -> None:
    told = problem(runs=40)
    search = make_search("optuna", told)
    search.tell(
        [tried(told, told.space.point(p)) for p in np.random.default_rng(0).random((20, 5))]
    )
    assert len(search._study.trials) == 20
    assert any(trial.constraints["success"] == 1.0 for trial in search._study.trials)
    assert searched(told, search, 5)


def test_an_optimiser_is_told_rounds_in_its_own_order() -> None:
    told, optimiser = problem(), Evolution(len(SPACE))
    options = {"optimiser": optimiser, "together": 4}
    search = make_search("ask_tell", told, options)
    points = search.ask(2, [])
    assert len(points) == 4  # a whole round
    assert search.ask(1, points) == []
    for values in reversed(points):
        search.tell([tried(told, values)])
    [(asked, losses)] = optimiser.told
    assert [told.space.point(place) for place in asked] == list(points)
    assert np.isfinite(losses).all()
    assert len(search.ask(1, [])) == 4


def test_a_missed_limit_is_a_penalty_for_an_optimiser_without_limits() -> None:
    told, optimiser = problem(), Evolution(len(SPACE))
    search = make_search("ask_tell", told, {"optimiser": optimiser, "penalty": 100.0})
    [values] = search.ask(1, [])
    search.tell([Trial(values, {"loss": 1.0, "error": 0.7})])
    assert optimiser.told[0][1].tolist() == pytest.approx([1.0 + 100.0 * 0.2])


@pytest.mark.parametrize("name", ["random", "sobol", "grid", "gp"])
def test_of_candidates_each_is_tried_once_and_nothing_else(name) -> None:
    rng = np.random.default_rng(0)
    rows = [{"x": float(x), "k": int(k)} for x, k in zip(rng.random(9), range(9), strict=True)]
    goal = {"minimise": "loss", "candidates": rows}
    told = Problem.read({"x": {"real": [0.0, 1.0]}, "k": {"integer": [0, 9]}}, goal, None, 0)
    search = make_search(name, told)
    seen = []
    for _ in rows:
        [values] = search.ask(1, [])
        seen.append(told.space.own(values)["k"])
        search.tell([Trial(values, {"loss": values["x"]}, 1.0)])
    assert sorted(seen) == list(range(9))
    assert search.ask(1, []) == []


@pytest.mark.parametrize("name", ["optuna", "gest", "ask_tell"])
def test_a_search_that_knows_no_candidates_says_which_do(name) -> None:
    goal = {"minimise": "loss", "candidates": [{"x": 0.5}]}
    told = Problem.read({"x": {"real": [0.0, 1.0]}}, goal, None, 0)
    with pytest.raises(ConfigError, match="cannot do candidates; these can: gp"):
        make_search(name, told, OPTIONS.get(name))


@pytest.mark.parametrize(
    "use, options, error, words",
    [
        ("gpp", {}, ConfigError, "none of gp"),
        ("gp", {"firstt": 3}, ConfigError, "firstt"),
        ("gp", {"acquisition": "best"}, ConfigError, "thompson"),
        ("optuna", {"sampler": "NoSuch"}, ConfigError, "NoSuch"),
        (object(), {}, ContractError, "no ask and no tell"),
        ("ask_tell", {"optimiser": dict}, ContractError, "ask and tell"),
        ("gest", {"generator": dict, "failed": "drop"}, ConfigError, "failed is one of"),
    ],
)
def test_searches_that_cannot_be_are_refused(use, options, error, words) -> None:
    with pytest.raises(error, match=words):
        make_search(use, problem(), options)


@pytest.mark.parametrize(
    "use, options, words",
    [
        ("gq", {}, "'gq' is none of gp"),
        ("gest", {}, "missing a required argument: 'generator'"),
        ("random", {"sampler": "x"}, "unexpected keyword argument 'sampler'"),
        ("gp", {"cost_awre": False}, "unexpected keyword argument 'cost_awre'"),
        ("gp", {"candidates": 0}, "numbers from 1 on"),
    ],
)
def test_what_a_search_would_refuse_is_told_before_there_is_a_worker(use, options, words) -> None:
    with pytest.raises(ConfigError, match=words):
        check_search(use, problem(), options)


@pytest.mark.parametrize(
    "use, package, extra",
    [
        ("botorch", "botorch", "botorch"),
        ("optuna", "optuna", "optuna"),
        ("gest", "gest_api", "gest"),
    ],
)
def test_a_search_without_its_package_names_the_extra(use, package, extra, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"pip install 'querist\[{extra}\]'"):
        check_search(use, problem(), OPTIONS.get(use, {}))


def test_a_check_makes_no_search_but_the_usual_one() -> None:
    check_search("ask_tell", problem(), {"optimiser": "no_such_module:Class"})
    check_search("gp", problem(), {"candidates": 64})


def test_an_optimiser_that_asks_for_nothing_finite_is_told() -> None:
    class Lost(Evolution):
        def ask(self, n):
            return np.full((n, len(self.mean)), np.nan)

    search = make_search(Lost(len(SPACE)), problem())
    with pytest.raises(ContractError, match="NaN"):
        search.ask(1, [])
