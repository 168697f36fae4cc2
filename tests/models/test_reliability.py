"""Coverage, calibration error and likelihood, measured on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.models.reliability import (
    conformal_quantile,
    fit_map,
    fit_temperature,
    isotonic,
    likelihood_loss,
    measured_coverage,
    normal_quantile,
    temper,
)


def heteroscedastic(
    rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A score that ranks rightly but is wrong in size and shape; errors; their true deviation."""
    score = rng.uniform(0.1, 1.0, count)
    sigma = 3.0 * score**3
    return score, np.abs(sigma * rng.standard_normal(count)), sigma


def error_of(wanted: np.ndarray, got: np.ndarray) -> float:
    return float(np.sqrt(((wanted - got) ** 2).mean()))


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("labels", [19, 40, 99])
def test_conformal_intervals_cover_as_promised(coverage: float, labels: int) -> None:
    repeats, tests = 2000, 20
    rng, covered = np.random.default_rng(int(1000 * coverage) + labels), np.empty(repeats)
    for repeat in range(repeats):
        score, error, _ = heteroscedastic(rng, labels)
        fitted = fit_map("conformal", score, error, coverage)
        new, new_error, _ = heteroscedastic(rng, tests)
        covered[repeat] = (new_error <= fitted.quantile * fitted(new)).mean()
    # Given a calibration set the coverage is Beta(k, n + 1 - k) (Angelopoulos & Bates 2023, eq. 4),
    # so that the mean over sets and tests is exactly k / (n + 1); four standard errors around it.
    rank = np.ceil((labels + 1) * coverage - 1e-9)
    expected = rank / (labels + 1)
    between = expected * (1 - expected) / (labels + 2)
    within = (expected * (1 - expected) - between) / tests
    margin = 4 * np.sqrt((between + within) / repeats)
    assert abs(covered.mean() - expected) < margin
    assert expected >= coverage - 1e-12
    assert margin < 0.02


def test_a_quantile_one_rank_too_low_would_be_noticed() -> None:
    rng, repeats, labels, coverage = np.random.default_rng(0), 4000, 19, 0.9
    covered = []
    for _ in range(repeats):
        ratio, new = rng.exponential(size=labels), rng.exponential(size=20)
        covered.append((new <= np.sort(ratio)[int(np.ceil((labels + 1) * coverage)) - 2]).mean())
    assert np.mean(covered) < coverage - 0.03


def test_too_few_labels_give_an_endless_interval() -> None:
    assert conformal_quantile(np.arange(8.0), 0.9) == np.inf
    assert conformal_quantile(np.arange(9.0), 0.9) == 8.0
    fitted = fit_map("conformal", np.ones(5), np.full(5, 2.0), 0.9)
    assert fitted.quantile == np.inf
    np.testing.assert_allclose(fitted(np.array([1.0])), 2.0)


def test_measured_coverage_is_of_labels_left_out() -> None:
    rng = np.random.default_rng(5)
    score, error, _ = heteroscedastic(rng, 2000)
    for method in ("isotonic", "scale", "conformal"):
        rate = measured_coverage(method, score, error, 0.9)
        assert abs(rate - 0.9) < 4 * np.sqrt(0.09 / 2000)
    # Every label of its own size: seen by the fit, nearly all would seem covered.
    assert measured_coverage("conformal", np.ones(20), np.arange(1.0, 21.0), 0.9) < 1.0


@pytest.mark.parametrize("labels", [100, 400])
def test_isotonic_finds_the_true_deviation(labels: int) -> None:
    apart: dict[str, list[float]] = {"none": [], "scale": [], "isotonic": []}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        score, error, _ = heteroscedastic(rng, labels)
        new, _, sigma = heteroscedastic(rng, 1000)
        apart["none"].append(error_of(new, sigma))
        for method in ("scale", "isotonic"):
            apart[method].append(error_of(fit_map(method, score, error, 0.9)(new), sigma))
    assert np.mean(apart["isotonic"]) < 0.4 * np.mean(apart["none"])
    assert np.mean(apart["isotonic"]) < 0.5 * np.mean(apart["scale"])


def binned_calibration_error(std: np.ndarray, error: np.ndarray, bins: int = 10) -> float:
    """Mean over bins of |rms error - rms std| (Levi et al. 2022, expected calibration error)."""
    parts = np.array_split(np.argsort(std), bins)
    rms = [(np.sqrt((error[p] ** 2).mean()), np.sqrt((std[p] ** 2).mean())) for p in parts]
    return float(np.mean([abs(a - b) for a, b in rms]))


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_lowers_the_calibration_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, error, _ = heteroscedastic(rng, 300)
    new, new_error, _ = heteroscedastic(rng, 3000)
    before = binned_calibration_error(new, new_error)
    after = binned_calibration_error(fit_map("isotonic", score, error, 0.9)(new), new_error)
    assert after < 0.5 * before


def test_scale_makes_normal_errors_of_unit_size() -> None:
    rng = np.random.default_rng(2)
    score = rng.uniform(0.5, 2.0, 4000)
    error = np.abs(0.25 * score * rng.standard_normal(4000))
    np.testing.assert_allclose(fit_map("scale", score, error, 0.9)(score), 0.25 * score, rtol=0.05)
    # Normal errors: the conformal factor over z is the deviation as well.
    conformal = fit_map("conformal", score, error, 0.9)
    np.testing.assert_allclose(conformal(score), 0.25 * score, rtol=0.1)
    np.testing.assert_allclose(conformal.quantile, normal_quantile(0.9), rtol=1e-9)


def test_what_is_more_uncertain_than_ever_seen_stays_so() -> None:
    score, error, _ = heteroscedastic(np.random.default_rng(3), 100)
    fitted = fit_map("isotonic", score, error, 0.9)
    one, two = fitted(np.array([10.0, 20.0]))
    assert one > fitted(score).max()
    np.testing.assert_allclose(two, 2 * one)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)).map(lambda p: (round(p[0], 1), p[1])),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(["isotonic", "scale", "conformal"]),
)
def test_maps_are_monotone_finite_and_positive(
    pairs: list[tuple[float, float]], method: str
) -> None:
    score, error = np.array(pairs).T
    fitted = fit_map(method, score, error, 0.8)
    grid = fitted(np.linspace(0.0, 2000.0, 400))
    assert np.isfinite(grid).all()
    assert (np.diff(grid) >= -1e-9 * grid.max()).all()
    assert (fitted(np.maximum(score, 1e-3)) > 0).all()


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0.01, 10)), min_size=2, max_size=30))
def test_isotonic_keeps_the_mean_square(pairs: list[tuple[int, float]]) -> None:
    score, error = np.array(pairs, float).T
    x, y = isotonic(score, error)
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) >= -1e-9).all()
    np.testing.assert_allclose((np.interp(score, x, y) ** 2).mean(), (error**2).mean())


def too_confident(rng: np.random.Generator, count: int, power: float) -> tuple[np.ndarray, ...]:
    """Classes drawn from probabilities, and those probabilities raised to a power."""
    true = rng.dirichlet(np.ones(4), count)
    classes = np.array([rng.choice(4, p=p) for p in true])
    return temper(true, 1.0 / power), classes


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_temperature_is_found_and_lowers_the_loss(power: float) -> None:
    rng = np.random.default_rng(7)
    temperature = fit_temperature(*too_confident(rng, 3000, power))
    assert abs(temperature / power - 1) < 0.15
    said, classes = too_confident(rng, 3000, power)
    before = likelihood_loss(said, classes)
    after = likelihood_loss(temper(said, temperature), classes)
    assert after < before - (0.01 if power != 1.0 else -0.002)


def test_temperature_keeps_order_and_sum() -> None:
    proba = np.array([[0.7, 0.3, 0.0], [0.2, 0.2, 0.6]])
    for temperature in (0.1, 1.0, 8.0):
        warm = temper(proba, temperature)
        np.testing.assert_allclose(warm.sum(axis=1), 1.0)
        assert (warm.argmax(axis=1) == proba.argmax(axis=1)).all()
    np.testing.assert_allclose(temper(proba, 1.0), proba, atol=1e-9)
