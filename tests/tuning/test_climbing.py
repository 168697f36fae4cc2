"""Climbing from a candidate to the nearest maximum."""

from __future__ import annotations

import numpy as np

from querist.tuning.searches.climbing import climbed


def test_it_finds_the_maximum_of_the_columns_that_move() -> None:
    def score(points: np.ndarray) -> np.ndarray:
        return -((points - [0.3, 0.6, 1.4]) ** 2 @ [1.0, 5.0, 2.0])

    start = np.array([0.9, 0.1, 0.2])
    assert np.abs(climbed(start, [0, 2], score) - [0.3, 0.1, 1.0]).max() < 1e-4  # an edge
    assert (start == [0.9, 0.1, 0.2]).all()


def test_where_the_score_is_not_finite_it_stays() -> None:
    start = np.array([0.2, 0.7])
    found = climbed(start, [0, 1], lambda points: np.full(len(points), -np.inf))
    assert (found == start).all()
