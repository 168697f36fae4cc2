"""DBAL: the prefilter, the weights, and what cannot be."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError

RNG = np.random.default_rng(3)
ODDS = RNG.dirichlet(np.ones(4), size=300)
FEATURES = RNG.normal(size=(300, 3))
MARGINAL = querist.select("margin", 60, probabilities=ODDS).indices


def test_only_the_most_informative_are_clustered() -> None:
    picked = querist.select("dbal", 20, probabilities=ODDS, embeddings=FEATURES, beta=3.0, rng=0)
    assert set(picked.indices) <= set(MARGINAL)
    assert set(picked.indices) - set(MARGINAL[:20])
    assert picked.scores.sum() == pytest.approx(1.0)


def test_a_beta_of_one_is_the_measure_alone() -> None:
    for measure in ("margin", "entropy", "ratio", "least-confidence"):
        picked = querist.select(
            "dbal", 9, probabilities=ODDS, embeddings=FEATURES, beta=1, measure=measure, rng=0
        )
        assert set(picked.indices) == set(querist.select(measure, 9, probabilities=ODDS).indices)


def test_a_beta_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="beta"):
        querist.select("dbal", 2, probabilities=ODDS, embeddings=FEATURES, beta=0.5, rng=0)
