"""ProbCover against a plain greedy cover, and its radius."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import querist
from querist.core.errors import ConfigError
from querist.strategies.needs import NEEDS
from querist.strategies.pairs import Pairs
from querist.strategies.representation import prob_cover as module
from querist.strategies.rows import rows_of

RNG = np.random.default_rng(1)
ROWS = RNG.normal(size=(700, 2))


@pytest.mark.parametrize("labelled", [None, ROWS[:300:40] + 0.01])
def test_each_pick_covers_as_many_as_any(labelled) -> None:
    picked = querist.select(
        "probcover", 40, embeddings=ROWS, labelled_embeddings=labelled, delta=0.5, rng=0
    )
    balls = cdist(ROWS, ROWS) < 0.5
    covered = np.zeros(700, bool)
    if labelled is not None:
        covered = (cdist(ROWS, labelled) < 0.5).any(axis=1)
    for row, score in zip(picked.indices, picked.scores, strict=True):
        gains = (balls & ~covered).sum(axis=1)
        assert gains[row] == gains.max() == round(score * 700)
        covered |= balls[row]


def test_all_is_covered_and_the_rest_is_drawn() -> None:
    picked = querist.select("probcover", 50, embeddings=ROWS[:60], delta=100.0, rng=0)
    assert picked.scores.tolist() == [1.0] + [0.0] * 49


def test_the_radius_is_the_largest_that_is_pure() -> None:
    features = 10.0 * np.eye(4)[RNG.integers(4, size=400)] + RNG.normal(size=(400, 4))
    pairs = Pairs(rows_of("embeddings", NEEDS["embeddings"], features))
    radius = module.purest(pairs, 4, np.random.default_rng(0))
    labels = features.argmax(axis=1)
    to_others = np.where(labels[:, None] == labels, np.inf, cdist(features, features)).min(axis=1)
    assert (to_others >= radius * (1 - 1e-9)).mean() >= 0.95
    assert (to_others >= radius * (1 + 1e-9)).mean() < 0.95


def test_the_radius_of_a_large_pool_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = Pairs(rows_of("embeddings", NEEDS["embeddings"], ROWS))
    exact = module.purest(pairs, 3, np.random.default_rng(0))
    monkeypatch.setattr(module, "LOOKED_AT", 400)
    assert module.purest(pairs, 3, np.random.default_rng(0)) == pytest.approx(exact, rel=0.5)


@pytest.mark.parametrize("option", [{"delta": 0.0}, {"classes": 0}])
def test_options_that_cannot_be(option) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        querist.select("probcover", 1, embeddings=ROWS, rng=0, **option)
