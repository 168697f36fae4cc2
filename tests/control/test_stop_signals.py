"""Rules over how far predictions move: each against a plain definition, on any history."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.control.rules import View
from querist.control.stop import (
    ChangeBelow,
    ErrorStable,
    GainBelow,
    MeanUncertaintyBelow,
    PredictionsStable,
    SelectedErrorBelow,
    UncertaintyRises,
)

NAN = float("nan")
values = st.one_of(st.just(NAN), st.floats(0.0, 1.0), st.sampled_from([0.0, 0.5, 0.99, 1.0]))
histories = st.lists(values, max_size=8)


def history(name: str, numbers) -> View:
    return View(errors=tuple({"version": i, name: one} for i, one in enumerate(numbers)))


def known(numbers, count: int) -> list[float]:
    """The last so many, if there are so many and none is unknown."""
    last = list(numbers)[len(numbers) - count :] if len(numbers) >= count else []
    return [] if any(math.isnan(one) for one in last) else last


@given(histories, st.floats(0.0, 1.0), st.integers(1, 4))
def test_predictions_stable(numbers, kappa, window) -> None:
    last = known(numbers, window)
    found = PredictionsStable("y", kappa, window)(history("y.kappa", numbers))
    assert (found is not None) == bool(last and sum(last) / len(last) >= kappa)


@given(histories, st.floats(0.0, 1.0), st.integers(1, 4))
def test_what_must_be_low_times_in_a_row(numbers, value, times) -> None:
    last = known(numbers, times)
    low = bool(last and all(one <= value for one in last))
    assert (ChangeBelow("y", value, times)(history("y.change", numbers)) is not None) == low
    assert (ErrorStable("y", value, times)(history("y.shift", numbers)) is not None) == low
    below = bool(last and all(one < value for one in last))
    rule = MeanUncertaintyBelow("y", value, times)
    assert (rule(history("y.uncertainty", numbers)) is not None) == below


@given(histories, st.integers(1, 4))
def test_uncertainty_rises(numbers, times) -> None:
    last = known(numbers, times + 1)
    rises = bool(last) and sorted(set(last)) == last
    found = UncertaintyRises("y", times)(history("y.uncertainty", numbers))
    assert (found is not None) == rises


@given(st.floats(0.05, 2.0), st.floats(0.1, 10.0), st.integers(1, 500), st.floats(0.001, 0.5))
def test_the_gain_of_a_power_law_is_foretold(power, level, labels, share) -> None:
    train = [20, 35, 60, 100, 200]
    errors = tuple(
        {"version": i, "train": n, "y.mae": level * n**-power} for i, n in enumerate(train)
    )
    gain = 1.0 - ((200 + labels) / 200) ** -power
    found = GainBelow("y.mae", share, labels)(View(errors=errors))
    if abs(gain - share) > 1e-9:
        assert (found is not None) == (gain < share)


@pytest.mark.parametrize(
    "train, errors",
    [
        ([10, 20, 30, 40], [4, 3, 2, 1]),  # fewer than the window
        ([10, 10, 10, 10, 10], [5, 4, 3, 2, 1]),  # nothing to lay a line through
        ([10, 20, 30, 40, 50], [4, 3, NAN, 2, 1]),
        ([0, 20, 30, 40, 50], [4, 3, 3, 2, 1]),
        ([10, 20, 30, 40, 50], [4, 0, 3, 2, 1]),  # zero has no logarithm
    ],
)
def test_no_gain_is_foretold_from_too_little(train, errors) -> None:
    rows = tuple({"train": n, "y.mae": e} for n, e in zip(train, errors, strict=True))
    assert GainBelow("y.mae", share=1.0, labels=1)(View(errors=rows)) is None


def test_an_error_that_grows_is_no_gain() -> None:
    errors = tuple({"train": n, "e": 0.1 * n, "version": n} for n in (10, 20, 30))
    found = GainBelow("e", 0.01, 100, window=3)(View(errors=errors))
    assert found == "100 more labels are expected to lower e by 0.00%, less than 1.00%"


def test_selected_error_below() -> None:
    assert SelectedErrorBelow(0.1)(View(recent_error=0.05)) is not None
    assert SelectedErrorBelow(0.1)(View(recent_error=0.1)) is None
    assert SelectedErrorBelow(0.1)(View()) is None


def test_every_rule_says_what_it_saw() -> None:
    said = PredictionsStable("label")(history("label.kappa", [0.99, 1.0, 1.0]))
    assert said == "the last models agree on label with a mean kappa of 0.9967 (target 0.99)"
    said = ChangeBelow("y", 0.1)(history("y.change", [0.05, 0.01]))
    assert said == "predictions of y changed by no more than 0.05 over 2 models (limit 0.1)"
    said = ErrorStable("y")(history("y.shift", [0.05, 0.01, 0.02]))
    assert said is not None
    assert "at most 5.00% of its range over 3 models" in said
    said = UncertaintyRises("y", 1)(history("y.uncertainty", [0.1, 0.2]))
    assert said == "the mean uncertainty of y rose 1 times in a row, to 0.2"


def test_rules_are_silent_without_a_history() -> None:
    for rule in (PredictionsStable, ChangeBelow, ErrorStable, UncertaintyRises):
        assert rule("y")(View()) is None
        assert all(field.default is not None for field in fields(rule))
    assert np.isnan(View().recent_error)
