"""Pairs in blocks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import querist
from querist.core.errors import ShapeError
from querist.strategies.errors import BadRows
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


@pytest.mark.parametrize(
    "name, more",
    [
        ("maxherding", {}),
        ("probcover", {"delta": 1.0}),
        ("information-density", {"probabilities": np.full((9, 2), 0.5), "gamma": 1.0}),
        ("mcpal", {}),
        ("epistemic", {}),
        ("expected-error-reduction", {}),
        ("quire", {"labelled_embeddings": np.eye(3, 4), "labelled_classes": [0, 1, 1]}),
        ("discriminative", {"labelled_embeddings": np.eye(3, 4)}),
    ],
)
def test_numbers_too_large_to_compute_with_are_named(name, more) -> None:
    data = np.random.default_rng(0).normal(size=(9, 4))
    data[[2, 5]] = 1e200
    with pytest.raises(BadRows, match=r"overflow \(up to 1e\+200\).*scale embeddings") as refused:
        querist.select(name, 2, embeddings=data, rng=0, **more)
    assert refused.value.rows == (2, 5)
    data[[2, 5]] = 1e36
    assert len(querist.select(name, 2, embeddings=data, rng=0, **more)) == 2


def test_labelled_numbers_too_large_to_compute_with_are_named() -> None:
    known = np.array([[0.0, 1.0], [1e200, 0.0]])
    with pytest.raises(BadRows, match="scale labelled_embeddings") as refused:
        querist.select("maxherding", 1, embeddings=np.eye(4, 2), labelled_embeddings=known)
    assert refused.value.rows == (1,)


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
