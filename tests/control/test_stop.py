"""When to stop: every rule, every parameter."""

from __future__ import annotations

import numpy as np
import pytest

from querist.control.rules import View
from querist.control.sketch import QuantileSketch
from querist.control.stop import (
    Cost,
    ErrorBelow,
    ErrorConverged,
    GainBelow,
    Labels,
    UncertaintyBelow,
    WallTime,
)

NAN = float("nan")


def curve(*errors: float, metric: str = "e") -> View:
    return View(errors=tuple({metric: error, "version": i} for i, error in enumerate(errors)))


def seen(low: float, high: float, count: int = 1000) -> View:
    return View(scores=QuantileSketch.of(np.linspace(low, high, count)))


def test_labels() -> None:
    assert Labels(10)(View(labels=9, imported=100)) is None
    assert Labels(10)(View(labels=10)) == "10 labels (of 10)"


def test_cost() -> None:
    assert Cost(2.5)(View(cost=2.4)) is None
    assert Cost(2.5)(View(cost=2.5)) == "the cost reached 2.5 (of 2.5)"


def test_wall_time() -> None:
    assert WallTime(60.0)(View(now=59.9)) is None
    assert WallTime(60.0)(View(now=60.0)) == "the wall time reached 60 s (of 60 s)"
    assert WallTime(60.0).deadlines() == (60.0,)


def test_error_below() -> None:
    rule = ErrorBelow("e", 0.5, times=2)
    assert rule(curve(0.4)) is None
    assert rule(curve(0.4, 0.6, 0.4)) is None
    assert rule(curve(0.4, NAN, 0.4)) is None
    assert rule(curve(0.9, 0.4, 0.3)) == "e on the hold-out is 0.3, below 0.5"
    assert rule(curve(0.4, 0.3, metric="other")) is None
    assert ErrorBelow("e", 0.5, times=1)(curve(0.9, 0.4)) is not None
    assert ErrorBelow("e", 0.4, times=1)(curve(0.4)) is None


def test_error_converged() -> None:
    rule = ErrorConverged("e", share=0.1, patience=2)
    assert rule(curve(1.0, 0.95)) is None  # too few models
    assert rule(curve(1.0, 0.95, 0.8)) is None
    assert rule(curve(1.0, 0.95, 0.93)) == (
        "e improved by no more than 10.0% over 2 models (best 0.93)"
    )
    assert rule(curve(1.0, 1.2, 1.1)) == "e improved by no more than 10.0% over 2 models (best 1)"
    assert rule(curve(1.0, NAN, 0.95)) is None  # unknown errors are no models
    assert rule(curve(1.0, 0.95, 0.93, metric="other")) is None
    assert ErrorConverged("e", share=0.01, patience=2)(curve(1.0, 0.95, 0.93)) is None
    assert ErrorConverged("e", share=0.1, patience=1)(curve(1.0, 0.95)) is not None
    assert rule(curve(0.0, 0.0, 0.0)) is not None


def test_uncertainty_below() -> None:
    rule = UncertaintyBelow(0.5, quantile=0.9, at_least=200)
    assert rule(seen(0.0, 0.5)).startswith("90% of the explored samples")
    assert rule(seen(0.0, 1.0)) is None
    assert rule(seen(0.0, 0.1, 199)) is None
    assert UncertaintyBelow(0.5, quantile=0.4)(seen(0.0, 1.0)) is not None
    assert UncertaintyBelow(0.5, at_least=10)(seen(0.0, 0.1, 10)) is not None


@pytest.mark.parametrize(
    "rule", [ErrorConverged("e", share=0.1, patience=3), GainBelow("e", share=0.5, window=4)]
)
def test_a_rule_that_looks_after_each_event_does_not_read_all_models_each_time(rule) -> None:
    class Counted(dict):
        reads = 0

        def get(self, *given):
            Counted.reads += 1
            return super().get(*given)

    errors = tuple(Counted(e=1000.0 / (i + 1), train=10 * i, version=i) for i in range(2000))
    said = [rule(View(errors=errors, now=float(event))) for event in range(100)]
    assert len(set(said)) == 1
    assert Counted.reads < 3 * len(errors)
