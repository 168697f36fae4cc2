"""The search by Gaussian processes: every acquisition, fidelities, several objectives, draws."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.tuning.search import make_search
from querist.tuning.searches.beliefs import Process, likelier
from querist.tuning.searches.gp import chebyshev
from querist.tuning.searches.paths import drawn
from querist.tuning.trial import Problem, Trial

LINE = {"x": {"real": [0.0, 1.0]}}


def wave(x: float) -> float:
    """Forrester's function: its minimum -6.0207 is at 0.7572."""
    return float((6 * x - 2) ** 2 * np.sin(12 * x - 4))


def searched(problem: Problem, options: dict, runs: int, at_once: int = 1) -> list[Trial]:
    """Trials of a search with so many points under way: always the oldest comes back."""
    search, pending, trials = make_search("gp", problem, options), [], []
    while len(trials) < runs:
        pending += search.ask(at_once - len(pending), pending)
        values = pending.pop(0)
        x = values["x"]
        trials.append(Trial(values, {"y": wave(x), "g": x}, 1.0))
        search.tell(trials[-1:])
    return trials


@pytest.mark.parametrize("acquisition", ["ei", "ucb", "thompson"])
def test_every_acquisition_finds_the_best_also_with_runs_under_way(acquisition) -> None:
    problem = Problem.read(LINE, {"minimise": "y"}, 18, 0)
    trials = searched(problem, {"acquisition": acquisition, "candidates": 64}, 18, at_once=3)
    assert problem.best(trials).outputs["y"] < -5.9  # the other minimum: -0.99
    assert len({trial.settings["x"] for trial in trials}) == 18


@pytest.mark.parametrize("acquisition", ["ei", "ucb", "thompson"])
def test_every_acquisition_keeps_limits(acquisition) -> None:
    goal = {"minimise": "y", "constraints": {"g": {"at_most": 0.5}}}
    problem = Problem.read(LINE, goal, 16, 0)
    trials = searched(problem, {"acquisition": acquisition, "candidates": 64}, 16)
    best = problem.best(trials)
    assert best.settings["x"] <= 0.5
    assert best.outputs["y"] < -0.98  # the lowest there is -0.9863
    assert sum(problem.holds(trial) for trial in trials[4:]) >= 7


def bowl(x: float, z: float) -> float:
    return float((x - 0.37) ** 2 + 3 * (z - 0.61) ** 2 + 0.1 * np.sin(9 * x))


@pytest.mark.parametrize("kind", [{"real": [1e-3, 10.0], "log": True}, {"choice": [0.2, 0.6, 1.0]}])
def test_what_is_asked_is_a_maximum_of_the_acquisition(kind) -> None:
    problem = Problem.read({"x": {"real": [0.0, 1.0]}, "z": kind}, {"minimise": "y"}, 30, 0)
    search = make_search("gp", problem, {"cost_aware": False})
    for _ in range(9):
        [values] = search.ask(1, [])
        place = problem.space.features([values])[0]
        search.tell([Trial(values, {"y": bowl(*place)})])
    [asked] = search.ask(1, [])
    here = problem.space.features([asked])
    near = np.tile(here, (40, 1))
    near[:, 0] = np.clip(near[:, 0] + np.linspace(-0.02, 0.02, 40), 0.0, 1.0)
    assert search.acquisition(near).max() <= search.acquisition(here)[0] + 1e-6


def test_few_noisy_results_are_not_believed_to_be_exact() -> None:
    rng = np.random.default_rng(0)
    plain, narrow = [], []
    for _ in range(10):
        X = rng.random((16, 2))
        y = 3 * X[:, 0] + np.sin(4 * X[:, 1]) + rng.standard_normal(16)
        for found, made in ((plain, Process), (narrow, likelier)):
            held = made(X, y).held
            found.append(np.exp(0.5 * held.theta[-1]) * held.y.std[0])
    assert min(narrow) > 20 * min(plain)
    exact = likelier(X, 3 * X[:, 0] + np.sin(4 * X[:, 1])).held
    assert np.exp(0.5 * exact.theta[-1]) * exact.y.std[0] < 0.05


def test_drawn_functions_have_the_posteriors_mean_and_deviation() -> None:
    X = np.array([[0.1], [0.4], [0.5], [0.9]])
    process = Process(X, np.sin(6 * X[:, 0]))
    rng, probes = np.random.default_rng(0), np.linspace(0.0, 1.0, 11)[:, None]
    values = np.array([drawn(process, rng)(probes) for _ in range(400)])
    mean, std = process(probes)
    assert np.abs(values.mean(axis=0) - mean).max() < 4.5 * std.max() / 20
    assert values.std(axis=0) == pytest.approx(std, rel=0.2, abs=0.03)
    function = drawn(process, rng)
    assert (function(probes) == function(probes)).all()


def test_correlations_are_those_of_the_joint_posterior() -> None:
    rng = np.random.default_rng(3)
    X = rng.random((6, 2))
    process = Process(X, X @ [1.0, -2.0])
    a, b = rng.random((5, 2)), rng.random((5, 2))
    assert process.correlation(a, a) == pytest.approx(np.ones(5), abs=1e-6)
    found = process.correlation(a, b)
    assert (np.abs(found) <= 1.0 + 1e-9).all()
    draws = np.array([drawn(process, rng)(np.concatenate([a, b])) for _ in range(400)])
    joint = np.corrcoef(draws.T)[range(5), range(5, 10)]
    assert found == pytest.approx(joint, abs=0.2)


def test_the_norm_of_weighed_objectives_by_hand() -> None:
    assert chebyshev(np.array([[0.2, 0.4], [0.0, 1.0]])) == pytest.approx([0.43, 1.05])


def test_with_a_fidelity_only_improvement_is_looked_for() -> None:
    goal = {"minimise": "y", "fidelity": {"setting": "x", "target": 1.0}}
    problem = Problem.read(LINE, goal, 16, 0)
    with pytest.raises(ConfigError, match="the acquisition is ei"):
        make_search("gp", problem, {"acquisition": "ucb"})
