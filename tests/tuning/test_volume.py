"""The expected improvement of the hypervolume, against drawing and against the volume itself."""

from __future__ import annotations

import numpy as np
import pytest

from querist.tuning.front import hypervolume, undominated
from querist.tuning.search import make_search
from querist.tuning.searches.beliefs import Process
from querist.tuning.searches.volume import VolumeImprovement
from querist.tuning.trial import Problem, Trial

PLANE = {"x": {"real": [-2.0, 4.0]}, "z": {"real": [0.0, 1.0]}}
TWO = {"minimise": ["a", "b"], "reference": {"a": 6.0, "b": 6.0}}


def outputs(x: float, z: float) -> dict[str, float]:
    return {"a": x**2 + z, "b": (x - 2) ** 2 + z, "c": 6 - x - z}


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_boxes_and_what_is_dominated_fill_the_whole_without_overlap(width, count) -> None:
    rng, reference = np.random.default_rng(width), np.full(width, 1.0)
    points = rng.random((count, width)) * 1.2  # some beyond the reference
    low, high = undominated(points, reference)
    low = np.maximum(low, 0.0)  # the whole is the unit cube
    volumes = np.maximum(high - low, 0.0).prod(axis=1)
    assert volumes.sum() == pytest.approx(1.0 - hypervolume(points, reference))
    for probe in rng.random((200, width)):
        inside = ((low <= probe) & (probe < high)).all(axis=1).sum()
        assert inside == (not (points <= probe).all(axis=1).any())


@pytest.mark.parametrize("width", [2, 3])
def test_the_expected_gain_is_the_mean_gain_of_draws(width) -> None:
    rng = np.random.default_rng(3)
    X, reference = rng.random((6, 2)), np.full(width, 1.0)
    processes = [Process(X, y) for y in rng.random((width, 6))]
    pending, probes = rng.random((1, 2)), rng.random((4, 2))
    found = np.exp(VolumeImprovement(processes, X, pending, reference)(probes))
    believed = [one.believing(pending) for one in processes]
    front = np.stack([one(np.concatenate([X, pending]))[0] for one in believed], axis=1)
    before = hypervolume(front, reference)
    told = [one(probes) for one in believed]
    for probe in range(len(probes)):
        mean, std = (np.array([each[part][probe] for each in told]) for part in (0, 1))
        draws = mean + std * rng.standard_normal((4000, width))
        gains = [hypervolume(np.vstack([front, draw]), reference) - before for draw in draws]
        assert abs(found[probe] - np.mean(gains)) < 4 * np.std(gains) / np.sqrt(4000) + 1e-9


def searched(goal: dict, options: dict, runs: int, at_once: int = 1) -> tuple[Problem, list[Trial]]:
    """Trials with so many points under way."""
    problem = Problem.read(PLANE, goal, runs, 0)
    search, pending, trials = make_search("gp", problem, options), [], []
    while len(trials) < runs:
        pending += search.ask(at_once - len(pending), pending)
        values = pending.pop(0)
        trials.append(Trial(values, outputs(**values), 1.0))
        search.tell(trials[-1:])
    return problem, trials


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_front_of_two_parabolas_is_found(at_once) -> None:
    problem, trials = searched(TWO, {"candidates": 128}, 16, at_once)
    assert problem.progress(trials)[-1] > 32.2  # that of the whole front is 33.33
    keys = {problem.space.key(trial.settings) for trial in trials}
    assert len(keys) == 16


def test_limits_bound_the_front() -> None:
    goal = {**TWO, "constraints": {"c": {"at_most": 5.0}}}
    problem, trials = searched(goal, {"candidates": 128}, 16)
    assert all(trial.settings["x"] + trial.settings["z"] >= 1.0 for trial in problem.front(trials))
    # By counting on a fine grid the whole front has 30.28.
    assert problem.progress(trials)[-1] > 29.3


@pytest.mark.parametrize("acquisition", ["ei", "ucb", "thompson"])
def test_three_objectives_are_searched_by_every_acquisition(acquisition) -> None:
    goal = {"minimise": ["a", "b", "c"], "reference": {"a": 6.0, "b": 6.0, "c": 6.0}}
    _, trials = searched(goal, {"candidates": 64, "acquisition": acquisition}, 12)
    assert len(trials) == 12
