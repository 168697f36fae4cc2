"""Cluster-Margin: turns, thresholds, leaves of large pools."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

import querist
from querist.core.errors import ConfigError
from querist.strategies.hybrid import cluster_margin as module
from querist.strategies.hybrid.cluster_margin import round_robin

RNG = np.random.default_rng(8)
CENTRES = 20.0 * RNG.normal(size=(6, 4))
GROUPS = np.repeat(np.arange(6), [200, 100, 50, 30, 15, 5])
FEATURES = CENTRES[GROUPS] + RNG.normal(size=(400, 4))
ODDS = RNG.dirichlet(np.ones(3), size=400)


def test_turns_begin_with_the_rarest() -> None:
    labels = np.repeat([0, 1, 2], [5, 1, 3])
    picked = labels[round_robin(labels, 9, np.random.default_rng(0))]
    assert picked.tolist() == [1, 2, 0, 2, 0, 2, 0, 0, 0]


def test_a_threshold_cuts_the_tree() -> None:
    expected = fcluster(
        linkage(pdist(FEATURES, "sqeuclidean"), "average"), 100.0, criterion="distance"
    )
    picked = querist.select(
        "cluster-margin", 60, probabilities=ODDS, embeddings=FEATURES, threshold=100.0, rng=0
    )
    counts = np.bincount(expected[picked.indices])[1:]
    sizes = np.bincount(expected)[1:]
    assert (counts == np.minimum(sizes, counts.max())).sum() >= len(sizes) - 1
    assert counts.max() - np.min(counts[sizes > counts.max()]) <= 1


def test_only_low_margins_are_candidates() -> None:
    picked = querist.select(
        "cluster-margin", 10, probabilities=ODDS, embeddings=FEATURES, ratio=3.0, rng=0
    )
    least = querist.select("margin", 30, probabilities=ODDS)
    assert set(picked.indices) <= set(least.indices)
    known = dict(zip(least.indices, least.scores, strict=True))
    np.testing.assert_allclose(picked.scores, [known[row] for row in picked.indices])


@pytest.mark.parametrize("sample", [200, 400])
def test_a_large_pool_begins_with_leaves(monkeypatch: pytest.MonkeyPatch, sample: int) -> None:
    monkeypatch.setattr(module, "LEAVES", 40)
    monkeypatch.setattr(module, "SAMPLE", sample)
    picked = querist.select(
        "cluster-margin", 6, probabilities=ODDS, embeddings=FEATURES, ratio=100.0, rng=3
    )
    assert sorted(GROUPS[picked.indices]) == [0, 1, 2, 3, 4, 5]


def test_a_ratio_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="ratio"):
        querist.select(
            "cluster-margin", 2, probabilities=ODDS, embeddings=FEATURES, ratio=0.2, rng=0
        )
