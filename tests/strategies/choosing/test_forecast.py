from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import ShapeError
from querist.strategies.choosing.forecast import Forecast, fit

shapes = st.tuples(st.booleans(), st.floats(0.2, 2.0))


def saturating(
    power: bool, constant: float, top: float = 0.9, gain: float = 0.4, first: float = 20
):
    """A true curve: at ``first`` labels ``top - gain``, at many ``top``."""
    if power:
        return lambda n: top - gain * (n / first) ** -constant
    return lambda n: top - gain * np.exp(-(n / first - 1) / (2 * constant))


@given(shape=shapes, gain=st.floats(0.05, 0.5))
def test_a_curve_without_noise_is_recovered(shape: tuple[bool, float], gain: float) -> None:
    true = saturating(*shape, gain=gain)
    x = np.arange(20, 220, 10)
    curve = fit(x, true(x))
    assert abs(curve.at(300).mean - true(300)) < 0.02
    assert max(abs(curve.at(n).mean - true(n)) for n in x) < 0.03


@given(
    seed=st.integers(0, 10**6),
    points=st.integers(1, 12),
    bounds=st.sampled_from([(0.0, 1.0), (-3.0, 0.0), (0.0, 1000.0)]),
)
def test_forecasts_never_fall_and_stay_within_the_bounds(
    seed: int, points: int, bounds: tuple[float, float]
) -> None:
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.integers(1, 30, points))
    y = rng.uniform(*bounds, points)
    along = fit(x, y, bounds=bounds).along(np.linspace(x[0], 20 * x[-1], 50).tolist())
    means = np.array([one.mean for one in along])
    assert (np.diff(means) >= -1e-9 * (bounds[1] - bounds[0])).all()
    assert bounds[0] <= means.min()
    assert means.max() <= bounds[1]
    assert all(one.std > 0 and math.isfinite(one.std) for one in along)


@pytest.mark.parametrize("points", [2, 3, 5, 10])
def test_intervals_hold_the_truth_as_often_as_they_say(points: int) -> None:
    rng = np.random.default_rng(points)
    inside, misses, naive = 0, [], []
    for _ in range(200):
        true = saturating(
            bool(rng.integers(2)),
            rng.uniform(0.2, 1.5),
            rng.uniform(0.6, 0.98),
            rng.uniform(0.05, 0.5),
        )
        noise = rng.uniform(0.003, 0.04)
        x = 20 + 10 * np.arange(points)
        y = true(x) + noise * rng.standard_normal(points)
        found = fit(x, y, error=noise).at(200)
        inside += found.quantile(0.025) <= true(200) <= found.quantile(0.975)
        misses.append(abs(found.mean - true(200)))
        naive.append(abs(y[-1] - true(200)))
    assert inside >= 0.9 * 200
    assert np.mean(misses) < 0.8 * np.mean(naive)


def test_noise_around_a_constant_is_no_trend() -> None:
    x = np.arange(20, 320, 10)
    y = 0.7 + 0.02 * np.random.default_rng(0).standard_normal(len(x))
    found = fit(x, y, error=0.02).at(600)
    assert abs(found.mean - 0.7) < 0.02


def test_two_points_are_not_believed_like_twenty() -> None:
    true = saturating(True, 0.7)
    few, many = (fit(20 + 10 * np.arange(n), true(20 + 10 * np.arange(n))) for n in (2, 20))
    assert few.at(300).std > 5 * many.at(300).std
    assert few.at(300).std > few.at(40).std


def test_a_lucky_second_point_is_tempered_by_a_known_error() -> None:
    sober, fooled = (fit([20, 30], [0.5, 0.7], error=error).at(200) for error in (0.15, 0.0))
    assert sober.mean < fooled.mean
    assert sober.std > 0.05


def test_one_outlier_hardly_matters() -> None:
    true = saturating(True, 0.7)
    x = np.arange(20, 220, 10)
    y = true(x)
    clean, y[6] = fit(x, y).at(300), 0.2
    assert abs(fit(x, y).at(300).mean - clean.mean) < 0.02


def test_units_of_labels_and_metric_do_not_matter() -> None:
    x, y = np.array([20, 30, 40, 55]), np.array([0.5, 0.62, 0.66, 0.71])
    plain = fit(x, y).at(100)
    other = fit(1000 * x, 50 * y - 10, bounds=(-10.0, 40.0)).at(100_000)
    assert other.mean == pytest.approx(50 * plain.mean - 10)
    assert other.std == pytest.approx(50 * plain.std)


def test_probabilities_of_forecasts() -> None:
    high, low = Forecast(100, 0.8, 0.03), Forecast(100, 0.7, 0.04)
    assert high.beats(low) == pytest.approx(0.97725, abs=1e-4)
    assert high.beats(low) + low.beats(high) == pytest.approx(1)
    assert high.above(0.8) == 0.5
    assert high.quantile(0.975) == pytest.approx(0.8 + 1.96 * 0.03, abs=1e-3)


@pytest.mark.parametrize(
    ("labels", "metric"),
    [
        ([], []),
        ([1, 2], [0.5]),
        ([2, 1], [0.5, 0.6]),
        ([1, 1], [0.5, 0.6]),
        ([0, 1], [0.5, 0.6]),
        ([1, 2], [0.5, math.nan]),
        ([[1]], [[0.5]]),
    ],
)
def test_points_that_are_no_curve_are_refused(labels: list, metric: list) -> None:
    with pytest.raises(ShapeError, match="rising numbers of labels"):
        fit(labels, metric)


def test_bounds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ShapeError, match="lower bound"):
        fit([1], [0.5], bounds=(1.0, 0.0))
