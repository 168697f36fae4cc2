"""CEAL: the pseudo-labels beside the picks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

import querist
from querist.core.errors import ConfigError

RNG = np.random.default_rng(6)
ODDS = RNG.dirichlet(np.full(3, 0.1), size=400)


def pseudo(**options):
    picked = querist.select("ceal", 20, probabilities=ODDS, **options)
    assert not set(picked.indices) & set(picked.extras["pseudo_indices"])
    return picked.extras["pseudo_indices"], picked.extras["pseudo_labels"]


def test_rows_below_the_threshold_get_their_likeliest_class() -> None:
    rows, labels = pseudo(threshold=0.1, decay=0.0)
    assert rows.tolist() == np.flatnonzero(entropy(ODDS, axis=1) < 0.1).tolist()
    assert labels.tolist() == ODDS[rows].argmax(axis=1).tolist()


@pytest.mark.parametrize(("iteration", "limit"), [(0, 0.1), (1, 0.09), (2, 0.07), (3, 0.04)])
def test_the_threshold_falls_by_more_each_round(iteration: int, limit: float) -> None:
    rows, _ = pseudo(threshold=0.1, decay=0.01, iteration=iteration)
    assert rows.tolist() == np.flatnonzero(entropy(ODDS, axis=1) < limit).tolist()


def test_in_the_end_nothing_is_sure_enough() -> None:
    assert len(pseudo(iteration=100)[0]) == 0


def test_what_is_asked_is_not_labelled_by_the_model() -> None:
    sure = np.eye(3)[[0, 1, 2, 2]]
    picked = querist.select("ceal", 2, probabilities=sure)
    assert picked.extras["pseudo_indices"].tolist() == [2, 3]
    assert picked.extras["pseudo_labels"].tolist() == [2, 2]


def test_rounds_are_counted_from_zero() -> None:
    with pytest.raises(ConfigError, match="iteration"):
        pseudo(iteration=-1)
