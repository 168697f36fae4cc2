from __future__ import annotations

import pytest
from scipy import stats

from querist.accounting.effective_terms import Terms, break_even, exact_interval, ratio


def test_the_formula_goes_to_its_limits() -> None:
    # Tseq 10, Ttrain 2.5, Tlearn 1.5, Tlookup 0.001
    few = Terms(10.0, 2.5, 1.5, 0.001, n_train=100, n_lookup=0)
    assert few.speed_up() == pytest.approx(10 / 4)  # pays for learning and looks nothing up
    assert Terms(10.0, 2.5, 0.0, 0.001, 100, 0).speed_up() == few.no_learning() == 4
    many = Terms(10.0, 2.5, 1.5, 0.001, n_train=1, n_lookup=1e9)
    assert many.speed_up() == pytest.approx(many.all_lookups(), rel=1e-4)
    assert many.all_lookups() == 10_000


def test_break_even_solves_its_equation() -> None:
    found = break_even(t_seq=10.0, t_lookup=2.0, n_train=5, fixed=130.0)
    assert found == 10  # 130 + 2 * 10 = 10 * (5 + 10)
    assert break_even(10.0, 2.0, 5, fixed=50.0) == 0
    assert break_even(10.0, 10.0, 5, fixed=51.0) is None


def test_ratio_is_a_sound_number_or_none() -> None:
    assert ratio(6.0, 3.0) == 2
    assert ratio(1.0, 0.0) is ratio(1.0, float("nan")) is ratio(1.0, 1e-320) is None


def test_the_exact_interval_is_that_of_scipy() -> None:
    for hits, trials in ((0, 10), (10, 10), (7, 20)):
        wanted = stats.binomtest(hits, trials).proportion_ci(0.95, "exact")
        assert exact_interval(hits, trials) == pytest.approx((wanted.low, wanted.high))
    assert exact_interval(0, 0) is None
