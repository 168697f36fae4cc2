"""Robust k-center leaves outliers alone."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.strategies.representation.k_center import k_center
from querist.strategies.representation.robust_k_center import robust_k_center


def test_outliers_are_seldom_picked() -> None:
    rng = np.random.default_rng(0)
    rows = np.vstack([rng.normal(size=(950, 4)), 100 * rng.normal(size=(50, 4))])
    plain = k_center(20, embeddings=rows).indices
    robust = robust_k_center(20, embeddings=rows, rng=0, outliers=0.05).indices
    assert (plain >= 950).sum() > 15
    assert (robust >= 950).sum() < 15


def test_without_outliers_it_is_k_center() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 4))
    robust = robust_k_center(40, embeddings=rows, rng=0, outliers=0.0)
    np.testing.assert_array_equal(robust.indices, k_center(40, embeddings=rows).indices)


def test_the_share_is_checked() -> None:
    with pytest.raises(ConfigError, match="share of the pool"):
        robust_k_center(1, embeddings=np.zeros((3, 1)), rng=0, outliers=1.0)
