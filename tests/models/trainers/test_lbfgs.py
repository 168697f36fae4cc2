"""The minimiser against SciPy's, and where it ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from querist.models.trainers.lbfgs import minimise


def logistic(seed: int, n: int, d: int):
    """A penalised logistic loss of random rows."""
    rng = np.random.default_rng(seed)
    X, signs = rng.normal(size=(n, d)), rng.choice([-1.0, 1.0], n)

    def loss(w):
        margins = signs * (X @ w)
        value = np.logaddexp(0.0, -margins).sum() + 0.05 * float(w @ w)
        return value, -(X.T @ (signs / (1.0 + np.exp(margins)))) + 0.1 * w

    return loss


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(1, 25))
def test_it_finds_what_scipy_finds(seed: int, n: int, d: int) -> None:
    loss = logistic(seed, n, d)
    found, steps = minimise(loss, np.zeros(d), 500)
    wanted = minimize(loss, np.zeros(d), jac=True, method="BFGS", options={"gtol": 1e-9})
    assert loss(found)[0] == pytest.approx(wanted.fun, rel=1e-9)
    np.testing.assert_allclose(found, wanted.x, atol=1e-4)
    assert 0 < steps < 500


def test_it_ends_at_once_where_it_is_flat_and_after_its_iterations() -> None:
    def bowl(x):
        scales = np.arange(1.0, 101.0) ** 2
        return 0.5 * float(scales @ x**2), scales * x

    assert minimise(bowl, np.zeros(100), 5)[1] == 0
    start = np.ones(100)
    few, steps = minimise(bowl, start, 3)
    assert steps == 3
    assert bowl(few)[0] < bowl(start)[0]
    most, _ = minimise(bowl, start, 1000)
    np.testing.assert_allclose(most, 0.0, atol=1e-5)
