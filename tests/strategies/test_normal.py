"""Improvement under a normal distribution, far below the incumbent too."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ShapeError
from querist.strategies.normal import incumbent, log_improvement, single, standardised
from querist.testing.strategy_references.acquisition import improvement


@pytest.mark.parametrize(
    "z", [30.0, 3.0, 0.0, -0.999999, -1.0, -1.000001, -5.0, -37.0, -49.9, -50.1, -1e3, -1e6]
)
def test_improvement_is_exact_everywhere(z: float) -> None:
    found = float(log_improvement(np.array([z]))[0])
    assert found == pytest.approx(improvement(z, 1.0, 0.0), rel=1e-9, abs=1e-10)


def test_it_rises_without_a_step() -> None:
    z = np.concatenate([np.linspace(-60.0, 5.0, 200_001), [40.0, 1e10]])
    steps = np.diff(log_improvement(z))
    assert (steps > 0).all()
    assert np.abs(np.diff(steps[:-2])).max() < 1e-6


def test_nothing_overflows() -> None:
    z, spread = standardised(np.array([-1e300, 1e300, 0.0]), np.zeros(3), 0.0)
    assert np.isfinite(log_improvement(z) + np.log(spread)).all()


@pytest.mark.torch
def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    z = np.linspace(-80.0, 5.0, 400)
    found = log_improvement(torch.from_numpy(z))
    np.testing.assert_allclose(found.numpy(), log_improvement(z), rtol=1e-10)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ShapeError, match="predictions have 2"):
        single(np.zeros((3, 2)))
    with pytest.raises(ShapeError, match="one to improve on"):
        incumbent(np.zeros(0))
    with pytest.raises(ShapeError, match="negative"):
        standardised(np.zeros(2), np.array([0.1, -0.1]), 0.0)


@pytest.mark.parametrize("name", ["ucb", "ei", "log-ei", "pi"])
def test_a_negative_standard_deviation_is_refused(name) -> None:
    labels = {} if name == "ucb" else {"labels": [0.0]}
    with pytest.raises(ShapeError, match="std has negative values"):
        querist.select(name, 1, predictions=[0.0, 1.0], std=[1.0, -1.0], **labels)
