"""Designs against those that are known, information against what can be computed by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from querist.core.errors import ConfigError, ShapeError
from querist.tuning.design import (
    believed,
    box_hill,
    d_optimal,
    discriminating,
    expected_information,
    log_det,
    terms,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_terms_by_hand() -> None:
    X = np.array([[2.0, 3.0]])
    assert terms(X, "linear").tolist() == [[1, 2, 3]]
    assert terms(X, "interactions").tolist() == [[1, 2, 3, 6]]
    assert terms(X).tolist() == [[1, 2, 3, 6, 4, 9]]
    with pytest.raises(ConfigError, match="quadratic"):
        terms(X, "cubic")


def test_a_quadratic_on_a_line_is_determined_at_its_ends_and_middle() -> None:
    line = np.linspace(-1, 1, 21)[:, None]
    chosen = d_optimal(terms(line), 6, rng())
    assert line[chosen, 0] == pytest.approx([-1, -1, 0, 0, 1, 1], abs=1e-12)


def test_a_cubic_on_a_line_is_determined_at_the_points_of_fekete() -> None:
    line = np.linspace(-1, 1, 2001)
    chosen = d_optimal(np.vander(line, 4), 4, rng(), tries=3)
    assert line[chosen] == pytest.approx([-1, -1 / np.sqrt(5), 1 / np.sqrt(5), 1], abs=2e-3)


def test_a_plane_with_interaction_is_determined_at_the_corners() -> None:
    square = np.array(list(itertools.product(np.linspace(-1, 1, 5), repeat=2)))
    chosen = d_optimal(terms(square, "interactions"), 4, rng(), repeats=False)
    assert {tuple(row) for row in square[chosen]} == set(itertools.product([-1.0, 1.0], repeat=2))


def test_exchanges_find_the_best_of_all_designs() -> None:
    F = terms(np.random.default_rng(2).random((9, 2)), "linear")
    best = max(log_det(F[list(rows)]) for rows in itertools.combinations(range(9), 4))
    assert log_det(F[d_optimal(F, 4, rng(), repeats=False)]) == pytest.approx(best)


def test_what_is_made_already_is_completed() -> None:
    line = np.array([[-1.0], [0.0], [1.0]])
    F = terms(line)
    assert d_optimal(F, 1, rng(), fixed=F[[0, 1]]).tolist() == [2]
    with pytest.raises(ShapeError, match="3 parameters"):
        d_optimal(F, 2, rng())
    with pytest.raises(ConfigError, match="fewer terms"):
        d_optimal(terms(np.ones((5, 1))), 3, rng())


@pytest.mark.parametrize("x, tau, sigma", [(0.5, 1.0, 1.0), (2.0, 1.0, 0.5), (0.0, 3.0, 1.0)])
def test_information_about_a_slope_is_that_of_two_normals(x, tau, sigma) -> None:
    theta = tau * np.random.default_rng(1).standard_normal(4000)
    found = expected_information(x * theta[None, :], sigma**2, rng(), outer=2000)
    assert found[0] == pytest.approx(0.5 * np.log1p((tau * x / sigma) ** 2), abs=0.05)


def test_information_about_models_by_hand() -> None:
    prior, none = np.array([0.3, 0.7]), np.zeros((1, 2))
    same = discriminating(np.array([[1.0, 1.0]]), none, 1.0, prior)
    assert same[0] == pytest.approx(0.0, abs=1e-12)
    apart = discriminating(np.array([[0.0, 1e3]]), none, 1.0, prior)
    entropy = -(prior * np.log(prior)).sum()
    assert apart[0] == pytest.approx(entropy)  # one look settles it
    # For models near each other: half the variance of the means over that of the noise.
    near = discriminating(np.array([[0.0, 0.1]]), none, 1.0, prior)
    assert near[0] == pytest.approx(0.5 * 0.3 * 0.7 * 0.01, rel=0.01)


def test_box_and_hill_bound_the_information_and_agree_where_models_are_near() -> None:
    generator = np.random.default_rng(3)
    means, variances = generator.normal(size=(40, 3)), generator.random((40, 3))
    prior = np.array([0.2, 0.3, 0.5])
    bound = box_hill(means, variances, 0.5, prior)
    assert (bound >= discriminating(means, variances, 0.5, prior) - 1e-9).all()
    # By hand: 0.5 * 0.25 * ((4 - 1)^2 / (5 * 2) + 2^2 (1 / 5 + 1 / 2)).
    told = box_hill(np.array([[0.0, 2.0]]), np.array([[4.0, 1.0]]), 1.0, np.array([0.5, 0.5]))
    assert told[0] == pytest.approx(0.125 * (0.9 + 4 * 0.7))


def test_nested_sampling_agrees_with_quadrature() -> None:
    means = np.array([[0.0, 1.0, 3.0]])
    prior = np.full(3, 1 / 3)
    exact = discriminating(means, np.zeros((1, 3)), 0.7, prior)
    draws = np.repeat(means, 700, axis=1)
    assert expected_information(draws, 0.7, rng(), 2100) == pytest.approx(exact, abs=0.04)


def test_experiments_that_tell_models_apart_find_the_right_one() -> None:
    """Exponential against rational decay: alike at both ends, apart between."""
    t = np.linspace(0.05, 6.0, 60)
    models = np.stack([np.exp(-t), 1 / (1 + t)], axis=1)
    prior, noise = np.array([0.5, 0.5]), 0.05**2
    generator = rng()
    for _ in range(6):
        row = int(np.argmax(discriminating(models, np.zeros_like(models), noise, prior)))
        assert 1.5 < t[row] < 2.8  # where they differ most
        y = models[row, 1] + 0.05 * generator.standard_normal()
        prior = believed(-0.5 * (y - models[row]) ** 2 / noise, prior)
    assert prior[1] > 0.99
