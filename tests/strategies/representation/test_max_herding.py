"""MaxHerding: the picks of the plain greedy method, with few gains computed anew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import querist
from querist.core.errors import ConfigError
from querist.strategies.representation import max_herding as module

RNG = np.random.default_rng(1)
ROWS = RNG.normal(size=(600, 3)) + 5.0 * np.eye(3)[RNG.integers(3, size=600)]


def greedy(similar, most, budget: int) -> list[int]:
    picks: list[int] = []
    for _ in range(budget):
        gains = np.maximum(similar - most, 0.0).mean(axis=1)
        gains[picks] = -1.0
        picks.append(int(gains.argmax()))
        most = np.maximum(most, similar[picks[-1]])
    return picks


@pytest.mark.parametrize("sigma", [0.3, 2.0])
@pytest.mark.parametrize("labelled", [None, ROWS[:9] + 1.0])
def test_as_plain_greedy(monkeypatch: pytest.MonkeyPatch, sigma: float, labelled) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    computed = []
    plain = module._Herd._gains
    monkeypatch.setattr(
        module._Herd, "_gains", lambda self, rows: computed.append(len(rows)) or plain(self, rows)
    )
    picked = querist.select(
        "maxherding",
        25,
        embeddings=ROWS,
        labelled_embeddings=labelled,
        sigma=sigma,
        normalise=False,
    )
    similar = np.exp(-cdist(ROWS, ROWS, "sqeuclidean") / sigma**2)
    most = np.zeros(600)
    if labelled is not None:
        most = np.exp(-cdist(ROWS, labelled, "sqeuclidean") / sigma**2).max(axis=1)
    assert picked.indices.tolist() == greedy(similar, most, 25)
    assert sum(computed) < 0.5 * 25 * 600


def test_when_nothing_adds_anything_the_rest_goes_by_index() -> None:
    twice = np.repeat(np.eye(3), 4, axis=0)
    picked = querist.select("maxherding", 12, embeddings=twice)
    assert picked.indices[:3].tolist() == [0, 4, 8]
    assert picked.indices[3:].tolist() == [1, 2, 3, 5, 6, 7, 9, 10, 11]
    np.testing.assert_allclose(picked.scores[3:], 0.0, atol=1e-12)


def test_no_width_is_refused() -> None:
    with pytest.raises(ConfigError, match="sigma"):
        querist.select("maxherding", 1, embeddings=ROWS, sigma=0.0)
