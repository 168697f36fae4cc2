"""BIM: steps, the boundary inside the last, and limits."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.strategies import registry
from querist.strategies.differentiable import NEVER

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

BIM = registry.get("bim")


def line(batch):
    """Zero of the first coordinate is the boundary."""
    return torch.stack([batch[:, 0], -batch[:, 0]], dim=1)


def test_the_boundary_is_found_inside_a_step() -> None:
    rows = np.array([[0.12], [-0.34], [0.0], [1.0]])
    for step in (0.05, 0.3):
        found = -BIM.scores(inputs=rows, model=line, step=step)
        np.testing.assert_allclose(found, np.abs(rows[:, 0]), atol=1e-12)


def test_what_takes_too_many_steps_comes_last() -> None:
    found = -BIM.scores(inputs=[[0.12], [0.52]], model=line, step=0.1, iterations=3)
    assert found[0] == pytest.approx(0.12)
    assert found[1] == NEVER


@pytest.mark.parametrize("option", [{"iterations": 0}, {"step": 0.0}])
def test_options_that_cannot_be(option) -> None:
    with pytest.raises(ConfigError, match="step"):
        BIM.scores(inputs=[[1.0]], model=line, **option)
