"""k-means that skips comparisons gives the clusters of k-means that does not."""

from __future__ import annotations

import numpy as np
import pytest

from querist.strategies.clusters import _Lloyd, cluster, nearest_members
from querist.strategies.geometry import Space
from querist.strategies.needs import NEEDS
from querist.strategies.rows import rows_of


def space(rows) -> Space:
    return Space([rows_of("embeddings", NEEDS["embeddings"], rows)])


def plain(rows, means, iterations: int):
    labels = np.zeros(len(rows), int)
    for _ in range(iterations):
        labels = ((rows[:, None] - means[None]) ** 2).sum(-1).argmin(1)
        means = np.array([rows[labels == c].mean(axis=0) for c in range(len(means))])
    return labels, means


@pytest.mark.parametrize("iterations", [1, 2, 5, 40])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_as_lloyd_without_short_cuts(iterations: int, offset: float) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 3)) + 3 * rng.normal(size=(10, 3))[rng.integers(10, size=3000)]
    seeds = rng.choice(3000, 12, replace=False)
    lloyd = _Lloyd(space(rows + offset), seeds)
    for _ in range(iterations):
        lloyd.iterate()
    labels, means = plain(rows, rows[seeds], iterations)
    np.testing.assert_array_equal(lloyd.labels, labels)
    np.testing.assert_allclose(lloyd.means, means + offset, rtol=1e-9)


def test_no_cluster_stays_empty() -> None:
    rows = np.repeat([[0.0, 0.0], [1.0, 5.0]], 20, axis=0)
    found = cluster(space(rows), 6, np.random.default_rng(0), 20)
    assert set(found.labels.tolist()) == set(range(6))
    picks = nearest_members(space(rows), found)
    assert len(set(picks.tolist())) == 6


def test_it_ends_when_nothing_changes() -> None:
    lloyd = _Lloyd(space(np.array([[0.0], [0.1], [9.0]])), np.array([0, 2]))
    assert lloyd.iterate()
    assert not lloyd.iterate()
