"""The search over fidelities: cheap runs where they pay, and none where they do not."""

from __future__ import annotations

import pytest
from test_fidelities import cheap, unrelated
from test_gp import wave

from querist.core.errors import ConfigError
from querist.tuning.search import make_search
from querist.tuning.trial import Problem, Trial

GOAL = {"minimise": "y", "fidelity": {"setting": "s", "target": 1.0}}
SPACE = {"x": {"real": [0.0, 1.0]}, "s": {"choice": [0.0, 1.0]}}


def searched(other, *, cost: float, seed: int = 0, wanted: float = -7.0) -> list[Trial]:
    """Trials until so much is spent, or until a dear one is good; a dear one costs 10."""
    problem = Problem.read(SPACE, GOAL, None, seed)
    search, trials = make_search("gp", problem, {"candidates": 256}), []
    while sum(trial.cost for trial in trials) < cost:
        [values] = search.ask(1, [])
        dear = values["s"] == 1.0
        y = wave(values["x"]) if dear else other(values["x"])
        trials.append(Trial(values, {"y": y}, 10.0 if dear else 1.0))
        search.tell(trials[-1:])
        if dear and y <= wanted:
            break
    return trials


def dear(trials: list[Trial]) -> int:
    return sum(trial.settings["s"] == 1.0 for trial in trials)


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_related_cheap_runs_save_dear_ones(seed) -> None:
    trials = searched(cheap, cost=200.0, seed=seed, wanted=-6.0)
    # Of dear runs alone the same search needs about 10 here.
    assert sum(trial.cost for trial in trials) <= 90.0
    assert dear(trials) < len(trials) - 4
    assert trials[-1].outputs["y"] <= -6.0


def test_unrelated_cheap_runs_end_and_cost_little() -> None:
    trials = searched(unrelated, cost=160.0)
    assert dear(trials[-6:]) == 6
    assert len(trials) - dear(trials) < 20
    assert min(t.outputs["y"] for t in trials if t.settings["s"] == 1.0) < -5.9


def test_it_begins_with_both_at_no_more_than_dear_runs_would_cost() -> None:
    trials = searched(cheap, cost=26.0)
    places = [(trial.settings["x"], trial.settings["s"]) for trial in trials]
    assert places[0][0] == places[1][0]
    assert [s for _, s in places[:2]] == [0.0, 1.0]
    assert dear(trials) == 2
    assert len(trials) >= 6


@pytest.mark.slow
def test_several_levels_and_runs_under_way() -> None:
    space = {"x": {"real": [0.0, 1.0]}, "s": {"real": [0.0, 1.0]}}
    problem = Problem.read(space, GOAL, 30, 0)
    search, pending, trials = make_search("gp", problem, {"candidates": 64}), [], []
    while len(trials) < 24:
        pending += search.ask(3 - len(pending), pending)
        values = pending.pop(0)
        x, s = values["x"], values["s"]
        y = wave(x) + (1 - s) * 4 * (x - 0.5)
        trials.append(Trial(values, {"y": y}, 1.0 + 9.0 * s))
        search.tell(trials[-1:])
    levels = {trial.settings["s"] for trial in trials}
    assert levels <= {0.0, 0.25, 0.5, 0.75, 1.0}
    assert len(levels) >= 3
    assert len({(t.settings["x"], t.settings["s"]) for t in trials}) == 24
    assert problem.best(trials).outputs["y"] < -5.5


@pytest.mark.slow
def test_candidates_and_limits_and_failures() -> None:
    points = [{"x": x / 20, "s": s} for x in range(21) for s in (0.0, 1.0) if x % 3 or s]
    goal = {**GOAL, "candidates": points, "constraints": {"x": {"at_most": 0.6}}}
    problem = Problem.read(SPACE, goal, None, 0)
    search, trials = make_search("gp", problem), []
    for _ in range(22):
        [values] = search.ask(1, [])
        x, failed = values["x"], values["x"] > 0.9
        y = {} if failed else {"y": wave(x) if values["s"] else cheap(x), "x": x}
        trials.append(Trial(values, y, 10.0 if values["s"] else 1.0, "it broke" if failed else ""))
        search.tell(trials[-1:])
    best = problem.best(trials)
    assert best.settings["s"] == 1.0
    assert best.outputs["y"] == pytest.approx(min(wave(x / 20) for x in range(13)))


def test_what_has_no_fidelity_here_is_said() -> None:
    problem = Problem.read(SPACE, GOAL, 30, 0)
    with pytest.raises(ConfigError, match="the acquisition is ei"):
        make_search("gp", problem, {"acquisition": "ucb"})
    several = {"minimise": ["y", "z"], "reference": {"y": 1, "z": 1}, "fidelity": GOAL["fidelity"]}
    with pytest.raises(ConfigError, match="one objective"):
        make_search("gp", Problem.read(SPACE, several, 30, 0), {})
