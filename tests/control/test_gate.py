"""Bands of uncertainty: trust, ask, reject; thresholds that follow a running quantile."""

from __future__ import annotations

import math

import numpy as np
import pytest

from querist.control.filters import Finite, Within
from querist.control.gate import BandGate, LimitRule
from querist.control.sketch import QuantileSketch
from querist.core.batch import Batch
from querist.core.errors import ShapeError
from querist.core.prediction import Prediction, Verdict
from querist.core.roles import Limits

T, A, R = Verdict.TRUST, Verdict.ASK, Verdict.REJECT


def prediction(std: Batch, mean: Batch | None = None) -> Prediction:
    return Prediction(mean or std, std)


def decide(gate: BandGate, batch: Batch, said: Prediction, limits: Limits) -> list[int]:
    return gate.decide(batch, said, limits).verdict.tolist()


def test_bands_and_their_edges() -> None:
    scores = [0.0, 1.0, 1.5, 2.0, 2.5, np.inf, np.nan]
    batch = Batch.stack(e=scores)
    got = decide(BandGate("e"), batch, prediction(batch, Batch.stack(e=np.zeros(7))), Limits(1, 2))
    assert got == [T, T, A, A, R, R, R]


def test_a_prediction_of_another_number_of_samples_is_refused() -> None:
    batch = Batch.stack(e=[0.0, 1.0, 2.0])
    with pytest.raises(ShapeError, match="of 3 it gave 1 predictions"):
        BandGate("e").decide(batch, prediction(batch.take([0])), Limits(1, 2))


def test_forces_count_by_their_worst_atom() -> None:
    quiet, loud = np.full((2, 3), 0.1), np.array([[0.1, 0, 0], [3.0, 4.0, 0.0]])
    single = np.array([[0.0, 0.0, 0.6]])
    std = Batch.of([{"forces": f} for f in (quiet, loud, single)])
    verdicts = BandGate("forces").decide(std, prediction(std), Limits(0.5, 4.9))
    np.testing.assert_allclose(verdicts.score, [0.1 * math.sqrt(3), 5.0, 0.6])
    assert verdicts.verdict.tolist() == [T, R, A]


def test_a_prediction_that_is_not_finite_is_never_trusted() -> None:
    std = Batch.stack(e=[0.1, 0.1])
    mean = Batch.stack(e=[1.0, np.nan])
    assert decide(BandGate("e"), std, prediction(std, mean), Limits(1.0)) == [T, R]
    ragged = Batch.of([{"f": np.zeros((1, 3))}, {"f": np.full((2, 3), np.inf)}])
    flat = Batch.of([{"f": np.zeros((1, 3))}, {"f": np.zeros((2, 3))}])
    assert decide(BandGate("f"), flat, prediction(flat, ragged), Limits(1.0)) == [T, R]


def test_filters_reject_whatever_the_uncertainty() -> None:
    batch = Batch.stack(x=[0.0, 5.0, np.nan])
    gate = BandGate("e", (Finite(), Within("x", -1.0, 1.0)))
    std = Batch.stack(e=[0.0, 0.0, 0.0])
    assert decide(gate, batch, prediction(std), Limits(1.0)) == [T, R, R]
    assert gate.sensible(batch).tolist() == [True, False, False]
    assert gate.sensible(Batch({})).tolist() == []


def test_an_absolute_threshold_stays() -> None:
    rule = LimitRule(ask=0.3, reject=2.0)
    many = QuantileSketch.of(np.linspace(0, 1, 1000))
    assert rule.limits(many, None) == rule.limits(many, Limits(9.0)) == Limits(0.3, 2.0)


def test_a_quantile_is_used_once_enough_was_seen() -> None:
    rule = LimitRule(ask=0.1, quantile=0.9, reject=5.0, at_least=50)
    few, many = (QuantileSketch.of(np.linspace(0, 1, n)) for n in (49, 1000))
    assert rule.limits(few, None) == Limits(0.1, 5.0)
    assert rule.limits(few, Limits(0.7, 5.0)) == Limits(0.7, 5.0)
    assert rule.limits(many, None).ask == pytest.approx(0.9, rel=0.02)
    small = QuantileSketch.of(np.linspace(0, 0.01, 1000))
    assert rule.limits(small, None) == Limits(0.1, 5.0)  # never below `ask`


@pytest.mark.parametrize("value", np.geomspace(0.1, 0.2, 40))
def test_samples_that_are_all_equally_uncertain_are_asked(value: float) -> None:
    # As far from all labels a Gaussian process is; asking none of them would be for ever.
    batch = Batch.stack(e=np.full(60, value))
    limits = LimitRule(quantile=0.8).limits(QuantileSketch.of(np.full(60, value)), None)
    said = prediction(batch, Batch.stack(e=np.zeros(60)))
    assert set(decide(BandGate("e"), batch, said, limits)) == {A}
    none = LimitRule(quantile=0.8).limits(QuantileSketch.of(np.zeros(60)), None)
    assert none.ask == 0.0  # and what is certain is not
