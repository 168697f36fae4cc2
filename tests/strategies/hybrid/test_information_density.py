"""Information density with a Gaussian, and its options."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import entropy

import querist
from querist.core.errors import ConfigError
from querist.strategies import pairs

RNG = np.random.default_rng(4)
ODDS = RNG.dirichlet(np.ones(4), size=120)
FEATURES = RNG.normal(size=(120, 3)) + 100.0


@pytest.mark.parametrize("rows", [7, 1024])
def test_a_gaussian_similarity_in_blocks(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(pairs, "ROWS", rows)
    picked = querist.select(
        "information-density", 9, probabilities=ODDS, embeddings=FEATURES, gamma=0.3, beta=2.0
    )
    dense = np.exp(-0.3 * cdist(FEATURES, FEATURES, "sqeuclidean")).mean(axis=1)
    expected = entropy(ODDS, axis=1) * dense**2
    assert picked.indices.tolist() == np.argsort(-expected)[:9].tolist()
    np.testing.assert_allclose(picked.scores, np.sort(expected)[::-1][:9])


def test_without_density_it_is_the_measure() -> None:
    picked = querist.select(
        "information-density", 9, probabilities=ODDS, embeddings=FEATURES, beta=0, measure="margin"
    )
    plain = querist.select("margin", 9, probabilities=ODDS)
    assert picked.indices.tolist() == plain.indices.tolist()


def test_rows_that_point_away_from_the_pool_count_nothing() -> None:
    features = np.array([[1.0, 0.0], [2.0, 0.1], [-3.0, 0.0], [0.0, 0.0]])
    picked = querist.select(
        "information-density", 4, probabilities=np.full((4, 2), 0.5), embeddings=features
    )
    assert picked.scores[2:].tolist() == [0.0, 0.0]
    assert set(picked.indices[:2]) == {0, 1}


def test_a_gamma_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="gamma"):
        querist.select("information-density", 1, probabilities=ODDS, embeddings=FEATURES, gamma=0.0)
