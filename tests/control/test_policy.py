"""The standard policy: most uncertain first, rules for the rest."""

from __future__ import annotations

import math

from querist.control.policy import Policy, StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.rules import View
from querist.control.stop import Labels

ROUTES = (("cheap", 0.0), ("middle", 0.5), ("dear", 2.0))


def policy(routes=()) -> StandardPolicy:
    return StandardPolicy(EveryLabels(3), Labels(9), routes)


def test_rules_decide() -> None:
    assert isinstance(policy(), Policy)
    assert policy().priority(0.7, View()) == 0.7
    assert policy().should_retrain(View(fresh=2)) is None
    assert policy().should_retrain(View(fresh=3)) is not None
    assert policy().should_stop(View(labels=8)) is None
    assert policy().should_stop(View(labels=9)) is not None


def test_routes_are_bands_of_uncertainty() -> None:
    scores = (-1.0, 0.0, 0.4, 0.5, 1.9, 2.0, 99.0)
    bands = ["cheap", "cheap", "cheap", "middle", "middle", "dear", "dear"]
    assert [policy(ROUTES).route(score) for score in scores] == bands
    assert policy(ROUTES).route(math.nan) == "cheap"
    assert policy().route(1.0) == ""
