"""Pairs in blocks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from querist.core.errors import ShapeError
from querist.strategies.needs import NEEDS
from querist.strategies.pairs import (
    Pairs,
    mean_neighbour_distances,
    nearest_squares,
    squared_distances,
    unit,
)
from querist.strategies.rows import rows_of

ROWS = np.random.default_rng(0).normal(size=(500, 4)) + 1e4


def rows(data):
    return rows_of("embeddings", NEEDS["embeddings"], data)


def test_distances_far_from_the_origin() -> None:
    pairs = Pairs(rows(ROWS))
    expected = cdist(ROWS, ROWS, "sqeuclidean")
    for first, group in pairs.groups():
        for second, block in pairs.blocks():
            wanted = expected[first : first + len(group), second : second + len(block)]
            np.testing.assert_allclose(squared_distances(group, block), wanted, atol=1e-9)
    found = nearest_squares(pairs.take(np.arange(9)), pairs.take(np.arange(9, 500)))
    np.testing.assert_allclose(found, expected[:9, 9:].min(axis=1), atol=1e-9)


def test_rows_of_zeros_have_no_direction() -> None:
    found = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert found.tolist() == [[0.6, 0.8], [0.0, 0.0]]


@pytest.mark.parametrize("count", [1, 7, 119])
def test_neighbours_are_others(count: int) -> None:
    members = np.arange(0, 480, 4)
    near = np.sort(cdist(ROWS[members], ROWS[members]), axis=1)[:, 1 : count + 1]
    found = mean_neighbour_distances(rows(ROWS), members, count)
    np.testing.assert_allclose(found, near.mean(axis=1), rtol=1e-6)


def test_other_rows_must_fit() -> None:
    assert Pairs(rows(ROWS)).given(None) is None
    with pytest.raises(ShapeError, match="features"):
        Pairs(rows(ROWS)).given(rows(np.ones((2, 3))))
