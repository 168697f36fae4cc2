"""Measures and ways to combine labels."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.strategies import registry
from querist.strategies.errors import BadRows

MULTI = registry.get("multi-label")
ODDS = np.array([[0.5, 0.9], [0.0, 1.0], [0.3, 0.3]])
EXPECTED = {
    "margin": [[1.0, 0.2], [0.0, 0.0], [0.6, 0.6]],
    "least-confidence": [[0.5, 0.1], [0.0, 0.0], [0.3, 0.3]],
    "entropy": [[np.log(2), 0.325083], [0.0, 0.0], [0.610864, 0.610864]],
}


@pytest.mark.parametrize("measure", EXPECTED)
@pytest.mark.parametrize("how", ["mean", "max", "sum"])
def test_each_label_and_all(measure: str, how: str) -> None:
    found = MULTI.scores(label_probabilities=ODDS, measure=measure, how=how)
    np.testing.assert_allclose(found, getattr(np, how)(EXPECTED[measure], axis=1), atol=1e-6)


@pytest.mark.parametrize("option", [{"measure": "ratio"}, {"how": "median"}])
def test_unknown_options_are_refused(option) -> None:
    with pytest.raises(ConfigError, match="one of"):
        MULTI.scores(label_probabilities=ODDS, **option)


@pytest.mark.parametrize("wrong", [-0.2, 1.2])
def test_logits_are_no_probabilities(wrong: float) -> None:
    with pytest.raises(BadRows, match=r"sigmoid.*Rows: 1"):
        MULTI.scores(label_probabilities=[[0.2], [wrong]])
