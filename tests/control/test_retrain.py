"""When to retrain: every rule, every parameter."""

from __future__ import annotations

from querist.control.retrain import EveryLabels, GrowingBy, OnErrorGrowth, WhenIdle
from querist.control.rules import View


def test_every_labels() -> None:
    assert EveryLabels(10)(View(fresh=9)) is None
    assert EveryLabels(10)(View(fresh=12)) == "12 new labels (every 10)"


def test_growing_by() -> None:
    rule = GrowingBy(0.5, at_least=3)
    assert rule(View(train_labels=14, fresh=4)) is None
    assert rule(View(train_labels=15, fresh=5)) == "the training set grew from 10 to 15"
    assert rule(View(train_labels=4, fresh=2)) is None
    assert GrowingBy(0.5, at_least=1)(View(train_labels=3, fresh=1)) is not None
    assert GrowingBy(0.5)(View(train_labels=10, fresh=0)) is None


def test_when_idle() -> None:
    assert WhenIdle(2)(View(fresh=2)) == "the trainer was idle with 2 new labels"
    assert WhenIdle(2)(View(fresh=1)) is None
    assert WhenIdle(1)(View(fresh=1, trainer_idle=False)) is None


def test_on_error_growth() -> None:
    grown = View(fresh=5, recent_error=0.31, published_error=0.2)
    assert OnErrorGrowth()(grown) == (
        "the error on new labels is 0.31, 1.5 times the 0.2 of the hold-out"
    )
    assert OnErrorGrowth(factor=1.6)(grown) is None
    assert OnErrorGrowth(at_least=6)(grown) is None
    assert OnErrorGrowth()(View(fresh=5, published_error=0.2)) is None
    assert OnErrorGrowth()(View(fresh=5, recent_error=0.31)) is None
