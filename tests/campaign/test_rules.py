"""Rules of retraining and stopping, read from a configuration."""

from __future__ import annotations

import pytest

from querist.campaign.rules import RETRAIN, STOP, read_rule
from querist.control.retrain import EveryLabels, OnErrorGrowth, WhenIdle
from querist.control.rules import AllOf, AnyOf, Never
from querist.control.stop import (
    ChangeBelow,
    Cost,
    ErrorBelow,
    ErrorStable,
    GainBelow,
    Labels,
    MeanUncertaintyBelow,
    PredictionsStable,
    SelectedErrorBelow,
    UncertaintyBelow,
    UncertaintyRises,
    WallTime,
)


@pytest.mark.parametrize(
    "config, rule",
    [
        ({}, Never()),
        ({"labels": 300}, Labels(300)),
        ({"labels": 300.0}, Labels(300)),
        ({"cost": 5}, Cost(5.0)),
        ({"labels": 3, "wall_time": 60}, AnyOf((Labels(3), WallTime(60.0)))),
        (
            {"error_below": {"metric": "f.mae", "value": 0.05, "times": 3}},
            ErrorBelow("f.mae", 0.05, 3),
        ),
        ({"selected_error_below": 0.1}, SelectedErrorBelow(0.1)),
        ({"predictions_stable": "label"}, PredictionsStable("label", 0.99, 3)),
        ({"change_below": {"output": "y", "value": 0.1}}, ChangeBelow("y", 0.1, 2)),
        ({"error_stable": {"output": "y", "times": 2}}, ErrorStable("y", 0.05, 2)),
        ({"mean_uncertainty_below": {"output": "y", "value": 1}}, MeanUncertaintyBelow("y", 1.0)),
        ({"uncertainty_rises": {"output": "y", "times": 4}}, UncertaintyRises("y", 4)),
        ({"gain_below": {"metric": "y.mae", "labels": 50}}, GainBelow("y.mae", 0.01, 50, 5)),
        (
            {"any": [{"wall_time": 9}, {"all": [{"labels": 1}, {"uncertainty_below": 0.5}]}]},
            AnyOf((WallTime(9.0), AllOf((Labels(1), UncertaintyBelow(0.5))))),
        ),
    ],
)
def test_stopping_rules(config, rule) -> None:
    assert read_rule(config, STOP, "stop") == rule


def test_retraining_rules() -> None:
    config = {"every_labels": 20, "when_idle": 5, "on_error_growth": {"factor": 2}}
    wanted = AnyOf((EveryLabels(20), WhenIdle(5), OnErrorGrowth(2.0)))
    assert read_rule(config, RETRAIN, "retrain") == wanted


@pytest.mark.parametrize(
    "config, said",
    [
        ([1], "stop should be a mapping of rules"),
        ({"lables": 3}, "stop.lables: unknown rule; known are .* Did you mean 'labels'?"),
        ({"labels": 2.5}, "stop.labels should be a whole number, got 2.5"),
        ({"labels": True}, "stop.labels should be a whole number, got True"),
        ({"cost": "much"}, "stop.cost should be a number, got 'much'"),
        ({"labels": {"number": 3}}, "stop.labels.number: unknown parameter; known are count"),
        ({"error_below": {"value": 1}}, "stop.error_below: .*'metric'"),
        ({"error_below": {"metric": 1, "value": 1}}, "stop.error_below.metric should be a text"),
        ({"all": []}, "stop.all should be a list of rules"),
        ({"all": {"labels": 3}}, "stop.all should be a list of rules"),
        ({"any": [{"all": [{"labels": "x"}]}]}, "stop.any.0.all.0.labels should be a whole"),
    ],
)
def test_what_is_wrong_is_named(config, said) -> None:
    with pytest.raises(ValueError, match=said):
        read_rule(config, STOP, "stop")
