"""Uncertainty as weights."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.strategies.informativeness import MEASURES, as_weights, measured, uncertainties
from querist.strategies.needs import NEEDS
from querist.strategies.rows import rows_of

ROWS = np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize("measure", MEASURES)
def test_more_uncertain_rows_have_more_and_certain_ones_nothing(measure: str) -> None:
    found = uncertainties(rows_of("probabilities", NEEDS["probabilities"], ROWS), measured(measure))
    assert found[0] > found[1] > found[2]
    assert found[2] == pytest.approx(0.0)


def test_an_unknown_measure_is_told_the_known() -> None:
    with pytest.raises(ConfigError, match="least-confidence"):
        measured("nonsense")


def test_no_weight_is_zero() -> None:
    assert as_weights(np.array([0.0, 4.0])).tolist() == [4e-12, 4.0]
    assert as_weights(np.zeros(2)).tolist() == [1.0, 1.0]
