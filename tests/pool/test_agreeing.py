"""Two ways to run a model are compared by what is picked."""

from __future__ import annotations

import numpy as np
import pytest
from query_models import two_classes

from querist.core.errors import ConfigError
from querist.pool.agreeing import Comparison, agreement_of
from querist.pool.errors import PoolError
from querist.pool.pool import Pool
from querist.strategies.selecting import select

TEXTS = [f"text number {number}" for number in range(200)]
MODEL = {"use": "python", "function": "query_models:two_classes"}
ROUNDED = {"function": "query_models:two_classes_rounded"}


def test_the_share_of_picks_that_stay_the_same(pool: Pool) -> None:
    with pytest.raises((PoolError, ConfigError), match="empty"):
        agreement_of(pool, MODEL, ROUNDED, 10)
    pool.add_items({"text": text} for text in TEXTS)
    same = agreement_of(pool, MODEL, {}, 0.1)
    assert (same.share, same.picks, same.rows) == (1.0, 20, 200)
    other = agreement_of(pool, MODEL, ROUNDED, 20, Comparison("entropy"))
    probabilities = two_classes(TEXTS)
    one = select("entropy", 20, rng=0, probabilities=probabilities).indices
    two = select("entropy", 20, rng=0, probabilities=np.round(probabilities, 1)).indices
    assert other.share == len(set(one) & set(two)) / 20
    assert 0.0 < other.share < 1.0
    assert other.differences["probabilities"] == pytest.approx(0.05, abs=0.002)
    assert agreement_of(pool, MODEL, ROUNDED, 5, Comparison(limit=50)).rows == 50


def test_what_cannot_be_compared_is_refused(pool: Pool) -> None:
    pool.add_items({"text": text} for text in TEXTS[:5])
    with pytest.raises(ConfigError, match="random picks by something else"):
        agreement_of(pool, MODEL, {}, 2, Comparison("random"))
    with pytest.raises(ConfigError, match="6 items are to be picked of 5"):
        agreement_of(pool, MODEL, {}, 6)
    with pytest.raises(ConfigError, match="Did you mean 'margin'"):
        agreement_of(pool, MODEL, {}, 2, Comparison("margn"))
