"""Bayesian regression: weights, noise, and how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import RunError
from querist.models.local.regression import Sums, regress

CONSTANT = np.array([3])


def equations(count: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = np.array([1.0, -2.0, 0.5, 40.0])
    matrix = np.column_stack([rng.normal(size=(count, 3)), np.ones(count)])
    return matrix, matrix @ weights + noise * rng.normal(size=count), weights


def fitted(count: int, noise: float, seed: int = 0):
    matrix, wanted, weights = equations(count, noise, seed)
    sums = Sums.none(4)
    sums.add(matrix[: count // 2], wanted[: count // 2])
    sums.add(matrix[count // 2 :], wanted[count // 2 :])
    return regress(sums, CONSTANT, np.ones(4)), weights


def test_weights_and_noise_are_found() -> None:
    found, weights = fitted(400, 0.1)
    np.testing.assert_allclose(found.weights, weights, atol=0.03)
    assert found.noise == pytest.approx(0.1, rel=0.15)
    assert 3.5 < found.effective <= 4.0


def test_the_posterior_is_as_wide_as_its_errors() -> None:
    ratios = []
    for seed in range(60):
        found, weights = fitted(30, 0.3, seed)
        width = np.sqrt(np.square(found.half).sum(axis=1))
        ratios.append((found.weights - weights) / width)
    assert 0.7 < np.sqrt(np.mean(np.square(ratios))) < 1.4


def test_a_weight_that_nothing_speaks_of_stays_zero() -> None:
    matrix, wanted, _ = equations(50, 0.1)
    matrix[:, 1] = 0.0
    sums = Sums.none(4)
    sums.add(matrix, wanted)
    assert regress(sums, CONSTANT, np.ones(4)).weights[1] == 0.0


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(RunError, match="at least one label"):
        regress(Sums.none(4), CONSTANT, np.ones(4))
