"""DeepFool: exact for a linear model, and over the boundary for a curved one."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.strategies import registry
from querist.strategies.differentiable import NEVER

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

DEEPFOOL = registry.get("deepfool")
INPUTS = np.random.default_rng(0).normal(size=(40, 2))


def circle(batch):
    """Inside the unit circle the one, outside the other class."""
    lead = 1.0 - (batch**2).sum(dim=1)
    return torch.stack([lead, -lead], dim=1)


def test_the_distance_to_a_circle() -> None:
    found = -DEEPFOOL.scores(inputs=INPUTS, model=circle)
    exact = np.abs(np.linalg.norm(INPUTS, axis=1) - 1.0)
    assert (found >= exact / 1.02 - 1e-9).all()
    outside = np.linalg.norm(INPUTS, axis=1) > 1.0  # where every step falls short of the circle
    np.testing.assert_allclose(found[outside], exact[outside], rtol=0.03)


def test_only_the_likeliest_classes_are_looked_at() -> None:
    weights = torch.tensor([[1.0, 0.0], [0.9, 0.1], [-9.0, 0.0]], dtype=torch.float64)
    scores = {
        count: -DEEPFOOL.scores(
            inputs=[[1.0, 0.0]], model=lambda batch: batch @ weights.T, classes=count
        )[0]
        for count in (2, 3)
    }
    assert scores[2] == pytest.approx(0.1 / np.hypot(0.1, 0.1))
    assert scores[3] == pytest.approx(min(scores[2], 10.0 / 10.0))


def test_what_never_changes_comes_last() -> None:
    def flat(batch):
        return torch.stack([batch[:, 0] * 0.0 + 1.0, batch[:, 0] * 0.0], dim=1)

    assert (-DEEPFOOL.scores(inputs=INPUTS, model=flat) == NEVER).all()
    limited = -DEEPFOOL.scores(inputs=[[0.001, 0.0], [1.1, 0.0]], model=circle, iterations=1)
    assert limited[0] < NEVER
    early = -DEEPFOOL.scores(
        inputs=[[4.0, 0.0], [1.01, 0.0]], model=circle, iterations=1, overshoot=0.001
    )
    assert early[0] == NEVER


def test_a_row_on_the_boundary_is_first() -> None:
    found = DEEPFOOL.scores(inputs=[[2.0, 0.0], [1.0, 0.0]], model=circle)
    assert found[1] == 0.0 > found[0]


@pytest.mark.parametrize("option", [{"iterations": 0}, {"overshoot": 0.0}, {"classes": 1}])
def test_options_that_cannot_be(option) -> None:
    with pytest.raises(ConfigError, match="at least"):
        DEEPFOOL.scores(inputs=INPUTS, model=circle, **option)
