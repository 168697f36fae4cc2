from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.accounting.calibration import bins, calibration, ranks, spearman

numbers = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=40)


def test_equal_values_share_their_rank() -> None:
    assert ranks([10, 20, 20, 5]).tolist() == [2, 3.5, 3.5, 1]


@given(numbers)
def test_rank_correlation_agrees_with_scipy(pairs: list[tuple[int, int]]) -> None:
    from scipy.stats import spearmanr

    a, b = np.array(pairs, float).T
    found = spearman(a, b)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(a, b).statistic)


def test_hand_computed_bins() -> None:
    score = np.arange(1.0, 11.0)
    found = bins(score, np.r_[np.full(5, 3.0), np.full(5, 4.0)], count=2)
    assert [b["n"] for b in found] == [5, 5]
    assert [b["score"] for b in found] == [3, 8]
    assert [b["error_rms"] for b in found] == [3, 4]


def test_coverage_and_trust_by_hand() -> None:
    score, error = [1.0, 1.0, 2.0, 4.0], [0.5, 1.5, 5.0, 4.0]
    found = calibration(score, error, ask=2.0)
    assert [w["share"] for w in found["within"]] == [0.5, 0.75, 1.0]
    assert found["ratio"] == pytest.approx(11 / 8)
    assert found["trusted"]["n"] == 3
    assert found["trusted"]["error_max"] == 5.0
    assert found["trusted"]["error_mean"] == pytest.approx(7 / 3)
    assert found["trusted"]["share"] == 0.75


def test_what_is_not_finite_is_passed_over_and_counted() -> None:
    found = calibration([1.0, np.nan, np.inf], [1.0, 1.0, 1.0])
    assert (found["n"], found["not_finite"], found["trusted"]) == (1, 2, None)


def test_no_pairs_at_all() -> None:
    found = calibration([], [], ask=1.0)
    assert found["n"] == 0
    assert found["spearman"] is None
    assert found["bins"] == found["points"] == found["within"] == []
    assert found["trusted"]["error_max"] is None


def test_points_are_bounded() -> None:
    score = np.random.default_rng(0).random(5000)
    found = calibration(score, score)
    assert len(found["points"]) == 600
    assert found["spearman"] == pytest.approx(1.0)
