"""How far predictions moved, by plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from querist.campaign.handlers.stability import is_class, kappa, shift, signals
from querist.core.batch import Batch
from querist.core.prediction import Prediction

RNG = np.random.default_rng(2)


def said(mean, std=None) -> Prediction:
    spread = np.ones(len(mean)) if std is None else std
    return Prediction(Batch.stack(y=np.asarray(mean)), Batch.stack(y=np.asarray(spread)))


def test_kappa_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    for classes in (2, 3, 7):
        one, other = RNG.integers(classes, size=(2, 200)).astype(str)
        other = np.where(RNG.random(200) < 0.6, one, other)
        assert kappa(one, other) == pytest.approx(metrics.cohen_kappa_score(one, other))


def test_kappa_of_one_class_is_one() -> None:
    assert kappa(np.array(["a", "a"]), np.array(["a", "a"])) == 1.0
    assert kappa(np.array(["a", "a"]), np.array(["b", "b"])) == 0.0


def test_classes() -> None:
    found = signals(said(["a", "b", "b", "a"]), said(["a", "b", "a", "a"]), "y")
    assert found == {"y.uncertainty": 1.0, "y.kappa": pytest.approx(0.5), "y.change": 0.25}


def test_numbers_are_compared_with_those_that_were_there_before() -> None:
    now, before = said([1.0, 2.0, 99.0], [0.1, 0.2, 0.3]), said([1.5, 2.0], [0.1, 0.2])
    found = signals(now, before, "y")
    assert found["y.uncertainty"] == pytest.approx(0.2)
    assert found["y.change"] == pytest.approx(np.sqrt(0.25 / 2))
    assert found["y.shift"] == pytest.approx(0.5)  # the one moved far beyond its spread


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert signals(said([1.0]), None, "y") == {"y.uncertainty": 1.0}
    assert signals(said([1.0]), said([2.0]), "z") == {}
    assert signals(said([[1.0, 2.0]], [[1.0, 1.0]]), said([1.0]), "y") == {"y.uncertainty": 1.0}


@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.3, 1.0), (1.0, 0.5), (0.1, 1.3), (5.0, 2.0)])
def test_the_shift_bounds_the_total_variation(mean: float, std: float) -> None:
    apart = quad(lambda y: abs(norm.pdf(y, mean, std) - norm.pdf(y)), -30, 30, limit=400)[0] / 2
    found = shift(np.array([mean]), np.array([0.0]), np.array([std]), np.array([1.0]))
    assert apart - 1e-9 <= found <= 1.0


def test_the_same_certain_predictions_have_not_shifted() -> None:
    same, none = np.array([1.0, -2.0]), np.zeros(2)
    assert shift(same, same, none, none) == 0.0
    assert shift(same, same + 1e-3, none, none) == 1.0


def test_classes_that_are_numbered_are_classes() -> None:
    codes = Batch.stack(**{"digit": np.array([1, 9]), "digit.proba": np.eye(2)})
    assert is_class(Prediction(codes, Batch({})), "digit")
    assert not is_class(Prediction(Batch.stack(digit=np.array([1, 9])), Batch({})), "digit")
