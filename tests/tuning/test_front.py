"""The front and the hypervolume, against cases computed by hand and against counting."""

from __future__ import annotations

import numpy as np
import pytest

from querist.tuning.front import hypervolume, on_front
from querist.tuning.trial import Problem, Trial


def test_the_front_by_hand() -> None:
    losses = np.array([[1, 4], [2, 2], [4, 1], [3, 3], [2, 2], [1, 5]], float)
    assert on_front(losses).tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    "losses, reference, volume",
    [
        ([[1, 4], [2, 2], [4, 1]], [5, 5], 4 * 1 + 3 * 2 + 1 * 1),  # steps of a stair
        ([[1, 1]], [3, 4], 2 * 3),
        ([[1, 1], [2, 2]], [3, 4], 2 * 3),  # one that is dominated adds nothing
        ([[5, 0], [6, -1]], [5, 5], 0),  # none beats the reference
        ([[0, 0, 0]], [1, 2, 3], 6),
        (
            [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
            [2, 2, 2],
            3 * 2 - 3 * 1 + 1,
        ),  # three overlapping bricks
        ([[0.5]], [2], 1.5),
        ([], [1, 1], 0),
    ],
)
def test_hypervolumes_by_hand(losses, reference, volume) -> None:
    found = hypervolume(np.array(losses, float), np.array(reference, float))
    assert found == pytest.approx(volume)


@pytest.mark.parametrize("width", [2, 3, 4])
def test_the_hypervolume_is_the_share_of_points_that_are_dominated(width) -> None:
    rng = np.random.default_rng(width)
    losses = rng.random((12, width))
    probes = rng.random((20_000, width))
    share = (losses[:, None, :] <= probes).all(axis=2).any(axis=0).mean()
    assert hypervolume(losses, np.ones(width)) == pytest.approx(share, abs=0.015)


def test_progress_of_several_objectives_is_a_hypervolume() -> None:
    goal = {"minimise": "a", "maximise": "b", "reference": {"a": 4.0, "b": 1.0}}
    problem = Problem.read(
        {"x": {"real": [0.0, 9.0]}}, {**goal, "constraints": {"c": {"at_most": 1}}}, 9, 0
    )
    told = [(3, 2, 0), (2, 9, 5), (1, 2, 0), (3, 4, 0)]  # the second misses the constraint
    trials = [
        Trial({"x": float(n)}, {"a": float(a), "b": float(b), "c": float(c)})
        for n, (a, b, c) in enumerate(told)
    ]
    # (4 - 3)(2 - 1); then (4 - 1)(2 - 1); then the column of width 1 from 2 to 4 besides
    assert problem.progress(trials) == [1.0, 1.0, 3.0, 5.0]
    assert problem.front(trials) == [trials[2], trials[3]]
