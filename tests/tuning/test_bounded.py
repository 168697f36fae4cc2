"""Searches where sums of settings are bounded: none leaves the region, and gp finds its edges."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from tuning_problems import MIXED, SHARES, UNIT, Evolution

from querist.cli import main
from querist.core.errors import ConfigError
from querist.tuning.live import Live
from querist.tuning.search import check_search, make_search
from querist.tuning.searches.sobol import SobolSearch
from querist.tuning.study import Study, study_of
from querist.tuning.trial import Problem, Trial

SUM = "a + b + c + d = 1"
CASES = {
    "shares": (SHARES, [SUM]),
    "mixed": (MIXED, ["a + b + n / 10 <= 0.5", "a >= b"]),
    "tiny": (SHARES, ["a + b + c + d <= 0.2", "0 <= a - b <= 0.001"]),
}
SEARCHES = {
    "random": {},
    "sobol": {},
    "gp": {"candidates": 64},
    "botorch": {"candidates": 16, "samples": 8},
    "optuna": {},
    "ask_tell": {},
    "discriminate": {
        "models": {"one": lambda **settings: 0.0, "other": lambda a, **settings: a},
        "noise": 0.1,
        "candidates": 32,
    },
}
SLOW = [pytest.mark.slow]


def problem(case: str = "shares", runs: int | None = 12, seed: int = 0, **goal) -> Problem:
    space, where = CASES[case]
    return Problem.read(space, {"minimise": "y", "where": where, **goal}, runs, seed)


def value(values) -> float:
    """Least, 0, at a = 0.6, b = 0.4 and nothing of the others: a corner of the shares."""
    away = {"a": 0.6, "b": 0.4, "c": -0.3, "d": -0.3}
    return float(sum((values[n] - away[n]) ** 2 for n in away if n in values)) - 0.18


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=SLOW if n == "botorch" else []) for n in SEARCHES]
)
def test_no_search_leaves_the_region_or_tries_twice(name, case) -> None:
    told = problem(case)
    options = dict(SEARCHES[name])
    if name == "ask_tell":
        options["optimiser"] = Evolution(len(told.space))
    search, seen = make_search(name, told, options), set[str]()
    for _ in range(8):
        for values in search.ask(2, []):
            own = told.space.own(values)
            assert own == values
            assert told.space.key(own) not in seen
            seen.add(told.space.key(own))
            search.tell([Trial(own, {"y": value(own)}, 1.0)])
    assert len(seen) >= 8


@pytest.mark.parametrize("options", [{}, {"acquisition": "thompson"}])
def test_gp_climbs_along_the_bounds_to_a_corner(options) -> None:
    told, found = problem(runs=25), []
    search = make_search("gp", told, {"candidates": 128, "cost_aware": False, **options})
    for _ in range(25):
        [values] = search.ask(1, [])
        found.append(value(values))
        search.tell([Trial(values, {"y": found[-1]})])
    assert min(found) < 0.001
    assert min(value(told.space.point(p)) for p in np.random.default_rng(0).random((25, 4))) > 0.01


def test_an_active_bound_with_a_log_scale_and_whole_numbers_is_reached() -> None:
    told = problem("mixed", 20, cost=1)
    search, found = make_search("gp", told, {"candidates": 128, "cost_aware": False}), []
    for _ in range(20):
        [values] = search.ask(1, [])
        lost = (np.log10(values["b"]) + 1.0) ** 2 + 0.1 * (values["n"] - 1) ** 2
        found.append(float(lost - values["a"] + 0.2 * (values["kind"] == "p")))
        search.tell([Trial(values, {"y": found[-1]})])
    assert min(found) < -0.25  # b 0.1, n 1, and what is left for a: 0.3


def test_several_objectives_and_cheap_runs_keep_the_bounds() -> None:
    several = problem(minimise=["y", "z"], reference={"y": 1.0, "z": 1.0})
    cheap = Problem.read(
        {**SHARES, "s": {"choice": [1, 2]}},
        {"minimise": "y", "where": SUM, "fidelity": {"setting": "s", "target": 2}},
        12,
        0,
    )
    for told in (several, cheap):
        search = make_search("gp", told, {"candidates": 64})
        for _ in range(12):
            [values] = search.ask(1, [])
            assert told.space.own(values) == values
            search.tell([Trial(values, {"y": value(values), "z": values["a"]}, 1.0)])


def test_a_grid_has_the_points_that_keep_the_bounds() -> None:
    levels = {name: {**UNIT, "levels": 5} for name in "abc"}
    told = Problem.read(levels, {"minimise": "y", "where": "a + b + c = 1"}, None, 0)
    points = make_search("grid", told).ask(100, [])
    assert len(points) == 15
    coarse = {name: {**UNIT, "levels": 2} for name in "ab"}
    told = Problem.read(coarse, {"minimise": "y", "where": "0.2 <= a + b <= 0.8"}, None, 0)
    with pytest.raises(ConfigError, match="no point of the grid keeps the bounds"):
        check_search("grid", told, {})


def test_a_d_optimal_design_has_the_corners() -> None:
    space = dict.fromkeys("ab", UNIT)
    told = Problem.read(space, {"minimise": "y", "where": "a + b <= 1"}, 3, 0)
    design = make_search("d_optimal", told, {"terms": "linear"}).ask(3, [])
    found = sorted((round(v["a"], 6), round(v["b"], 6)) for v in design)
    assert found == [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)]
    with pytest.raises(ConfigError, match="leave one of its settings out"):
        make_search("d_optimal", problem())


def test_what_goes_with_no_bounds_is_refused() -> None:
    told = problem()
    with pytest.raises(ConfigError, match="gest cannot do bounds on sums of settings; these can"):
        check_search("gest", told, {"generator": "gest_problems:Halton"})
    with pytest.raises(ConfigError, match="candidates are all that is allowed"):
        problem(candidates=[{"a": 1, "b": 0, "c": 0, "d": 0}])
    with pytest.raises(ConfigError, match="'a' is the fidelity, which is in no sum"):
        problem(fidelity={"setting": "a", "target": 1.0})


@pytest.mark.parametrize("name", ["gp", "optuna", "discriminate"])
def test_a_result_elsewhere_cannot_be_told(name) -> None:
    search = make_search(name, problem(), SEARCHES[name])
    off = Trial({"a": 0.5, "b": 0.5, "c": 0.3, "d": 0.0}, {"y": 0.0})
    with pytest.raises(ConfigError, match=r"a 0.5, .* cannot be told: a \+ b \+ c \+ d is 1.3, ag"):
        search.tell([off])


def test_a_problem_comes_back_from_plain_data() -> None:
    told = problem("mixed")
    again = Problem.read(told.space.plain(), told.goal(), 12, 0)
    assert again == told
    assert told.goal()["where"] == CASES["mixed"][1]
    assert again != problem("mixed", where=["a >= b"])
    live = Live(SHARES, {"minimise": "y", "where": SUM}, segments=3)
    assert sum(live.settings().values()) == pytest.approx(1.0, abs=1e-12)


def interrupted(path, after: int):
    """A simulation that is stopped at some run, once."""

    def run(**shares) -> float:
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("\n".join([*lines, str(shares)]))
        if len(lines) == after:
            raise KeyboardInterrupt
        assert sum(shares.values()) <= 1.0 + 1e-9
        return value(shares)

    return run


def test_a_study_is_resumed_within_its_bounds(tmp_path) -> None:
    study = Study(
        space=SHARES,
        where=SUM,
        minimise="y",
        simulation=interrupted(tmp_path / "asked", 5),
        begin=[{"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}],
        search={"use": "gp", "options": {"candidates": 32}},
        budget={"runs": 12},
        engine="inline",
    )
    with suppress(KeyboardInterrupt):
        study.run(tmp_path / "run", progress=False)
    assert len(study_of(tmp_path / "run").trials) < 12
    result = study.resume(tmp_path / "run", progress=False)
    assert len(result.trials) == 12
    assert isinstance(make_search("sobol", result.problem), SobolSearch)
    assert all(result.problem.space.missed(trial.settings) == "" for trial in result.trials)
    assert result.trials[0].settings["a"] == 0.25


def test_begin_and_start_outside_are_said(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    base = {
        "space": SHARES,
        "where": [SUM, "a <= 2 * b"],
        "minimise": "y",
        "simulation": "test_bounded:value",
        "budget": {"runs": 3},
        "engine": "inline",
    }
    with pytest.raises(ConfigError, match=r"begin: \{'a': 0.9, .*\}: a - 2 \* b is 0.7, against"):
        Study(**base, begin=[{"a": 0.9, "b": 0.1, "c": 0.0, "d": 0.0}])
    rows = [
        (0.4, 0.3, 0.2, 0.1),
        (0.4, 0.3, 0.2, 0.2),
        (0.8, 0.1, 0.1, 0.0),
        (0.333334, 0.333333, 0.333333, 0),
    ]
    with Path("known.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "c", "d", "y"], *((*row, 1.0) for row in rows)])
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**base, "start": ["known.csv"]}))
    said = CliRunner().invoke(main, ["check", "study.yaml"])
    assert said.exit_code == 0, said.output
    aside = "2 trials are known beforehand, 2 left out: not in the space, or not where "
    assert f"{aside}{SUM}, a <= 2 * b." in said.output
    first = Study(**{**base, "where": ()}, start=["known.csv"], search="random")
    first.run(tmp_path / "first", progress=False)
    later = Study(**base, start=["known.csv", "first"])
    known, left_out = later.known_with_count()
    assert len(known) == 4  # two of the table, by each way
    assert left_out == 2 + 2 + 3


def test_a_bound_that_cannot_be_is_told_by_check(tmp_path) -> None:
    path = tmp_path / "study.yaml"
    told = {
        "space": SHARES,
        "where": "a + bb <= 1",
        "minimise": "y",
        "simulation": "test_bounded:value",
        "budget": {"runs": 3},
    }
    path.write_text(yaml.safe_dump(told))
    said = CliRunner().invoke(main, ["check", str(path)])
    assert said.exit_code == 2
    assert said.output.rstrip().endswith("'bb' is no setting; known: a, b, c, d. Did you mean 'b'?")
