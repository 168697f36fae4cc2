"""The tree of average linkage is that of SciPy on all distances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from querist.strategies.linkage import Leaves, Tree

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(200, 5)) + 6.0 * RNG.normal(size=(8, 5))[RNG.integers(8, size=200)]


def tree(rows) -> Tree:
    return Tree(Leaves(rows.copy(), (rows**2).sum(axis=1), np.ones(len(rows))))


def same_partition(one, other) -> bool:
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


@pytest.mark.parametrize("clusters", [1, 2, 7, 50, 199, 200])
def test_cut_by_number(clusters: int) -> None:
    expected = fcluster(
        linkage(pdist(ROWS, "sqeuclidean"), "average"), clusters, criterion="maxclust"
    )
    assert same_partition(tree(ROWS).cut(clusters), expected)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 5.0, 20.0, 1e9])
def test_cut_by_distance(threshold: float) -> None:
    expected = fcluster(
        linkage(pdist(ROWS, "sqeuclidean"), "average"), threshold, criterion="distance"
    )
    assert same_partition(tree(ROWS).cut(1, threshold), expected)


def test_groups_as_leaves_keep_the_distances() -> None:
    """Rows that stand many times are one leaf of that size."""
    counts = RNG.integers(1, 9, size=len(ROWS))
    grouped = Tree(Leaves(ROWS.copy(), (ROWS**2).sum(axis=1), counts.astype(float)))
    every = np.repeat(ROWS, counts, axis=0)
    expected = fcluster(linkage(pdist(every, "sqeuclidean"), "average"), 12, criterion="maxclust")
    assert same_partition(np.repeat(grouped.cut(12), counts), expected)


def test_rows_that_are_all_alike() -> None:
    assert set(tree(np.ones((20, 3))).cut(4).tolist()) == {0, 1, 2, 3}
