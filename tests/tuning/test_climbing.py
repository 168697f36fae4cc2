"""Climbing from a candidate to the nearest maximum."""

from __future__ import annotations

import numpy as np
import pytest

from querist.tuning.searches.climbing import climbed


def test_it_finds_the_maximum_of_the_columns_that_move() -> None:
    def score(points: np.ndarray) -> np.ndarray:
        return -((points - [0.3, 0.6, 1.4]) ** 2 @ [1.0, 5.0, 2.0])

    start = np.array([0.9, 0.1, 0.2])
    assert np.abs(climbed(start, [0, 2], score) - [0.3, 0.1, 1.0]).max() < 1e-4  # an edge
    assert (start == [0.9, 0.1, 0.2]).all()


def test_it_climbs_along_a_bound() -> None:
    def score(points: np.ndarray) -> np.ndarray:
        return -((points - [0.9, 0.5, 0.8]) ** 2).sum(axis=1)

    rule = {
        "type": "ineq",
        "fun": lambda x: 1.0 - x.sum(keepdims=True),
        "jac": lambda x: -np.ones((1, len(x))),
    }
    found = climbed(np.array([0.1, 0.5, 0.1]), [0, 2], score, [rule])
    assert np.abs(found - [0.55, 0.5, 0.45]).max() < 1e-4  # what is allowed nearest to 0.9, 0.8


@pytest.mark.parametrize("rules", [[], [{"type": "ineq", "fun": lambda x: 1.0 - x.sum()}]])
def test_where_the_score_is_not_finite_it_stays(rules) -> None:
    start = np.array([0.2, 0.7])
    found = climbed(start, [0, 1], lambda points: np.full(len(points), -np.inf), rules)
    assert found == pytest.approx(start)
