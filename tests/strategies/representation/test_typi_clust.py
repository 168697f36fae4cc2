"""TypiClust: turns of clusters, labels, options."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import querist
from querist.core.errors import ConfigError
from querist.strategies import pairs

RNG = np.random.default_rng(2)
CENTRES = 30.0 * np.eye(5)
GROUPS = np.repeat(np.arange(5), [60, 50, 40, 30, 20])
ROWS = CENTRES[GROUPS] + RNG.normal(size=(200, 5))


def typicality(group: int, count: int) -> np.ndarray:
    inside = ROWS[group == GROUPS]
    near = np.sort(cdist(inside, inside), axis=1)[:, 1 : count + 1]
    return 1.0 / (near.mean(axis=1) + 1e-5)


@pytest.mark.parametrize("held", [60, 1 << 20])
def test_the_most_typical_of_each_the_largest_first(
    monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(pairs, "HELD", held)
    monkeypatch.setattr(pairs, "ROWS", min(pairs.ROWS, held // 4))
    picked = querist.select("typiclust", 5, embeddings=ROWS, rng=0)
    assert GROUPS[picked.indices].tolist() == [0, 1, 2, 3, 4]
    for group, row, score in zip(range(5), picked.indices, picked.scores, strict=True):
        count = min(20, (group == GROUPS).sum() - 1)
        expected = typicality(group, count)
        assert row == np.flatnonzero(group == GROUPS)[expected.argmax()]
        assert score == pytest.approx(expected.max())


def test_clusters_with_labels_come_last() -> None:
    labelled = CENTRES[[0, 2, 3]] + 0.1
    picked = querist.select(
        "typiclust", 4, embeddings=ROWS, labelled_embeddings=labelled, most_clusters=5, rng=0
    )
    assert GROUPS[picked.indices].tolist() == [1, 4, 0, 1]


def test_few_neighbours() -> None:
    picked = querist.select("typiclust", 5, embeddings=ROWS, rng=0, neighbours=1)
    assert picked.scores[0] == pytest.approx(typicality(0, 1).max())


def test_labels_of_another_type() -> None:
    labelled = CENTRES[[0]].astype(int)
    picked = querist.select(
        "typiclust", 4, embeddings=ROWS.astype(np.float32), labelled_embeddings=labelled, rng=0
    )
    assert GROUPS[picked.indices].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("option", ["neighbours", "most_clusters"])
def test_options_are_at_least_one(option: str) -> None:
    with pytest.raises(ConfigError, match=option):
        querist.select("typiclust", 1, embeddings=ROWS, rng=0, **{option: 0})
