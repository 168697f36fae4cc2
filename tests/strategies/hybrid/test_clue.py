"""CLUE: what the temperature does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

import querist
from querist.core.errors import ConfigError
from querist.strategies.hybrid.clue import _tempered

RNG = np.random.default_rng(5)
LOGITS = 3.0 * RNG.normal(size=(200, 4))
ODDS = softmax(LOGITS, axis=1)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
def test_the_weight_is_the_entropy_at_a_temperature(temperature: float) -> None:
    expected = entropy(softmax(LOGITS / temperature, axis=1), axis=1)
    np.testing.assert_allclose(_tempered(ODDS, temperature), expected, atol=1e-9)


def test_a_low_temperature_picks_more_uncertain_rows() -> None:
    features = RNG.normal(size=(200, 5))
    doubt = [
        entropy(ODDS, axis=1)[
            querist.select(
                "clue", 20, probabilities=ODDS, embeddings=features, temperature=t, rng=1
            ).indices
        ].mean()
        for t in (0.2, 50.0)
    ]
    assert doubt[0] > doubt[1] + 0.1


def test_certain_rows_are_clustered_as_they_are() -> None:
    features = RNG.normal(size=(30, 2))
    sure = np.eye(3)[RNG.integers(3, size=30)]
    picked = querist.select("clue", 5, probabilities=sure, embeddings=features, rng=2)
    plain = querist.select("k-means", 5, embeddings=features, rng=2)
    assert len(set(picked.indices)) == 5
    assert picked.scores.sum() == pytest.approx(plain.scores.sum())


def test_no_temperature_is_refused() -> None:
    with pytest.raises(ConfigError, match="temperature"):
        querist.select("clue", 2, probabilities=ODDS, embeddings=ODDS, temperature=0, rng=0)
