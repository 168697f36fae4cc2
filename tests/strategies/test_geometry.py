"""Squared distances: bounds hold, exact ones are exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import querist
from querist.strategies.errors import BadRows
from querist.strategies.geometry import Centres, Space, central, largest
from querist.strategies.hybrid.badge import residuals
from querist.strategies.needs import NEEDS
from querist.strategies.rows import rows_of


def rows(name: str, data):
    return rows_of(name, NEEDS[name], data)


@given(
    st.integers(0, 99), st.sampled_from([1, 7, 300]), st.sampled_from([0.0, 3.0, 1e5]),
    st.sampled_from([1.0, 1e-12, 1e12]), st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_the_bound_is_above_the_distance_and_near(seed, width, offset, scale, dtype) -> None:
    data = (scale * (np.random.default_rng(seed).normal(size=(40, width)) + offset)).astype(dtype)
    space = Space([rows("embeddings", data)])
    centres = Centres(space, None, 3)
    centres.add(space.points(np.arange(3)))
    points = space.points(np.arange(3, 40))
    upper = space.upper(points, centres, 0, 3).astype(float) / space.scale**2
    true = ((data[3:, None].astype(float) - data[None, :3].astype(float)) ** 2).sum(-1).min(1)
    np.testing.assert_allclose(space.exact(points, centres, 0, 3), true, rtol=1e-12)
    norms = points.norms.astype(float) / space.scale**2
    assert (upper >= true).all()
    assert (upper <= true + 8 * space.rounding * (true + norms)).all()


def test_outer_products_are_never_written_out() -> None:
    rng = np.random.default_rng(0)
    odds, features = rng.dirichlet(np.ones(4), size=20), rng.normal(size=(20, 5))
    space = Space([rows("probabilities", odds), rows("embeddings", features)], residuals)
    gradients = np.einsum("nc,nd->ncd", residuals(odds), features).reshape(20, -1)
    centres = Centres(space, None, 2)
    centres.add(space.points(np.array([3, 8])))
    true = ((gradients[:, None] - gradients[None, [3, 8]]) ** 2).sum(-1).min(1)
    found = space.exact(space.points(np.arange(20)), centres, 0, 2)
    np.testing.assert_allclose(found, true, rtol=1e-12, atol=1e-15)
    assert found[3] == found[8] == 0.0
    row, norm = largest(space)
    assert row == (gradients**2).sum(1).argmax()
    assert norm == pytest.approx(np.linalg.norm(gradients[row]))


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_the_central_and_the_largest_row(offset: float) -> None:
    data = np.random.default_rng(0).normal(size=(3000, 4)) + offset
    space = Space([rows("embeddings", data)])
    row, distance = central(space)
    true = ((data - data.mean(axis=0)) ** 2).sum(axis=1)
    assert row == true.argmin()
    assert distance == pytest.approx(true.min() ** 0.5, rel=1e-6)
    assert largest(space)[0] == (data**2).sum(axis=1).argmax()


@pytest.mark.parametrize("scale", [1e30, 1e100])
@pytest.mark.parametrize("name", ["k-center", "k-means", "k-means++", "probcover", "typiclust"])
def test_numbers_whose_squares_float32_cannot_hold_are_picked_as_others(name, scale) -> None:
    data = np.random.default_rng(0).normal(size=(90, 4))
    picked = querist.select(name, 5, embeddings=data * scale, rng=0)
    np.testing.assert_array_equal(
        picked.indices, querist.select(name, 5, embeddings=data, rng=0).indices
    )


def test_a_fill_value_leaves_the_distances_of_the_others_exact() -> None:
    data = np.random.default_rng(0).normal(size=(90, 4))
    marked = np.vstack([data, np.full((1, 4), 1e36)])
    first = [90, 0]  # all are equally far from the fill value
    picked = querist.select("k-center", 5, embeddings=data[:40], labelled_embeddings=data[[0]])
    found = querist.select("k-center", 4, embeddings=marked[:40], labelled_embeddings=marked[first])
    np.testing.assert_array_equal(found.indices, picked.indices[:4])


def test_numbers_too_large_to_compute_with_are_named() -> None:
    data = np.random.default_rng(0).normal(size=(9, 4))
    data[[2, 5]] = 1e200
    with pytest.raises(BadRows, match=r"overflow \(up to 1e\+200\).*scale embeddings") as refused:
        querist.select("k-center", 2, embeddings=data)
    assert refused.value.rows == (2, 5)
    data[[2, 5]] = 1e30
    odds = np.full((9, 2), 0.5)
    with pytest.raises(BadRows, match="scale embeddings") as refused:
        querist.select("badge", 2, embeddings=data, probabilities=odds, rng=0)
    assert refused.value.rows == (2, 5)
