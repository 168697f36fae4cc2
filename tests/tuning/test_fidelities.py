"""Processes over fidelities: their derivatives, what they learn of each other, and when not."""

from __future__ import annotations

import numpy as np
import pytest
from test_gp import wave

from querist.tuning.searches.beliefs import Process
from querist.tuning.searches.fidelities import (
    Alone,
    Related,
    covariance,
    fitted,
    left_out,
    variances,
)


def cheap(x: float) -> float:
    """Forrester's cheap version: half of the function and a line."""
    return 0.5 * wave(x) + 10 * (x - 0.5) - 5


def unrelated(x: float) -> float:
    return float(5 * np.cos(17 * x + 1) + 3 * np.sin(31 * x))


def measured(other, dear: int = 4, more: int = 11) -> tuple[np.ndarray, np.ndarray]:
    """Features (x, fidelity) and values: dear ones at 1, cheap ones at 0."""
    places = [(x, 0.0) for x in np.linspace(0, 1, more)] + [
        (x, 1.0) for x in np.linspace(0, 1, dear)
    ]
    X = np.array(places)
    return X, np.array([wave(x) if s else other(x) for x, s in places])


LINE = np.linspace(0, 1, 101)
DEAR = np.column_stack([LINE, np.ones(101)])
TRUE = np.array([wave(x) for x in LINE])


def test_slopes_are_those_of_differences() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((12, 3))
    X[:, 2] = rng.choice([0.0, 0.5, 1.0], 12)
    related = Related(X, np.sin(5 * X[:, 0]) * X[:, 1] + (1 - X[:, 2]) * X[:, 1], 2, 1.0)
    theta = related.theta + 0.2 * rng.standard_normal(len(related.theta))
    _, slope = related._lack(theta)
    for number, one in enumerate(np.eye(len(theta)) * 1e-5):
        up, down = related._lack(theta + one)[0], related._lack(theta - one)[0]
        assert slope[number] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-4)
    where = related._split(X)
    assert np.diag(covariance(theta, where, where)) == pytest.approx(variances(theta, where[1]))


def test_cheap_results_tell_of_dear_ones() -> None:
    related = Related(*measured(cheap), 1, 1.0)
    mean, std = related(DEAR)
    X, y = measured(cheap)
    alone = Process(X[X[:, 1] == 1.0], y[X[:, 1] == 1.0])
    error, without = (np.sqrt(((m - TRUE) ** 2).mean()) for m in (mean, alone(DEAR)[0]))
    assert error < 0.6
    assert without > 2.5
    assert (np.abs(mean - TRUE) < 4 * std).mean() > 0.9
    assert LINE[mean.argmin()] == pytest.approx(0.757, abs=0.02)
    # A dear result tells all but noise of itself, a cheap one less.
    at = np.array([[0.3, 1.0], [0.55, 1.0]])
    assert related.correlation(at, at).min() > 0.9
    assert related.correlation(at * [1, 0], at).max() < related.correlation(at, at).min()


def test_what_comes_out_as_expected_changes_no_mean() -> None:
    related = Related(*measured(cheap), 1, 1.0)
    before, doubt = related(DEAR)
    after, left = related.believing(np.array([[0.62, 0.0], [0.4, 1.0]]))(DEAR)
    assert after == pytest.approx(before, abs=0.05)
    assert left[40] < 0.2 * doubt[40] + 1e-3
    assert (left <= doubt + 1e-6).all()


def test_left_out_is_what_the_others_say() -> None:
    rng = np.random.default_rng(2)
    A = rng.standard_normal((6, 6))
    K, y = A @ A.T + np.eye(6), rng.standard_normal(6)
    told = left_out(np.linalg.inv(K), np.linalg.solve(K, y))
    for row in range(6):
        rest = np.delete(np.arange(6), row)
        solved = np.linalg.solve(K[np.ix_(rest, rest)], np.column_stack([y[rest], K[rest, row]]))
        mean, variance = K[row, rest] @ solved[:, 0], K[row, row] - K[row, rest] @ solved[:, 1]
        density = -0.5 * ((y[row] - mean) ** 2 / variance + np.log(2 * np.pi * variance))
        assert told[row] == pytest.approx(density)


def test_cheap_results_are_left_out_where_they_only_mislead() -> None:
    assert isinstance(fitted(*measured(cheap, dear=6), 1, 1.0), Related)
    rng = np.random.default_rng(0)
    told = measured(lambda x: float(8 * rng.standard_normal()), dear=10, more=30)
    alone = fitted(*told, 1, 1.0)
    assert isinstance(alone, Alone)
    assert set(alone.X[:, 1]) == {1.0}
    at = np.array([[0.3, 0.0], [0.3, 1.0]])
    assert alone.correlation(at, at).tolist() == [0.0, 1.0]
    assert alone.believing(at[:1]) is alone
    assert len(alone.believing(at).y) == 11
    # Before there are enough dear results nobody can tell.
    assert isinstance(fitted(*measured(unrelated, dear=3), 1, 1.0), Related)
    # What has nothing to do with it misleads nobody: the process sees that it tells little.
    related = fitted(*measured(unrelated, dear=8), 1, 1.0)
    at = np.column_stack([np.linspace(0, 1, 9), np.zeros(9)])
    assert np.abs(related.correlation(at, np.add(at, [0.0, 1.0]))).mean() < 0.2
