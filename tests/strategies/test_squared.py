"""D^2 sampling keeps its law with old bounds, new bounds, and nothing left."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from querist.strategies import squared
from querist.strategies.geometry import Space
from querist.strategies.needs import NEEDS
from querist.strategies.representation.k_means_pp import k_means_pp
from querist.strategies.rows import rows_of
from querist.strategies.squared import Draws
from querist.testing.strategies import follows
from querist.testing.strategy_references import reference


def space(rows) -> Space:
    return Space([rows_of("embeddings", NEEDS["embeddings"], rows)])


@pytest.mark.parametrize("dearer", [0, 4, 10**9])
@pytest.mark.parametrize("at_once", [1, 64])
def test_the_law_does_not_depend_on_when_bounds_are_renewed(
    monkeypatch: pytest.MonkeyPatch, dearer: int, at_once: int
) -> None:
    monkeypatch.setattr(squared, "DEARER", dearer)
    monkeypatch.setattr(squared, "PROPOSALS", at_once)
    rows = np.random.default_rng(3).normal(size=(5, 2)) * [[1], [1], [5], [0.2], [3]]
    rng, seen = np.random.default_rng(0), Counter()
    for _ in range(1500):
        seen[tuple(k_means_pp(3, embeddings=rows, rng=rng).indices.tolist())] += 1
    follows(seen, reference("k-means++").function(3, embeddings=rows))


def test_bounds_are_seldom_renewed_where_rejections_are_few() -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 50))
    draws = Draws(space(rows), None, 400)
    draws.run(np.random.default_rng(0), 0)
    assert draws._known < 10
    assert len(set(draws.picks)) == 400


def test_bounds_are_renewed_where_rejections_are_many() -> None:
    far = np.random.default_rng(0).normal(size=(5000, 3))
    far[:20] += 1e4 * np.random.default_rng(1).normal(size=(20, 3))
    draws = Draws(space(far), None, 300)
    draws.run(np.random.default_rng(0), 0)
    assert draws._known > 20


def test_rows_that_equal_picks_come_last_and_uniformly() -> None:
    rows = np.repeat(np.random.default_rng(0).normal(size=(4, 3)), 5, axis=0)
    rng, fifth = np.random.default_rng(0), Counter()
    for _ in range(300):
        picks = k_means_pp(5, embeddings=rows, rng=rng).indices
        assert len({int(row) // 5 for row in picks[:4]}) == 4
        fifth[int(picks[4])] += 1
    assert len(fifth) == 20
