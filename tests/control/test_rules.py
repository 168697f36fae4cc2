"""Rules combine, explain themselves and say when time alone may make them hold."""

from __future__ import annotations

import pytest

from querist.control.retrain import EveryLabels, OnErrorGrowth
from querist.control.rules import AllOf, AnyOf, Never, Rule, View
from querist.control.stop import Cost, Labels, WallTime

ENOUGH, DEAR = Labels(5), Cost(10.0)


def test_and_needs_both_and_joins_their_reasons() -> None:
    both = ENOUGH & DEAR
    assert both(View(labels=5)) is None
    assert both(View(cost=10.0)) is None
    assert both(View(labels=5, cost=10.0)) == "5 labels (of 5) and the cost reached 10 (of 10)"


def test_or_takes_the_first_reason() -> None:
    either = ENOUGH | DEAR
    assert either(View()) is None
    assert either(View(cost=10.0)) == "the cost reached 10 (of 10)"
    assert either(View(labels=5, cost=10.0)) == "5 labels (of 5)"


def test_and_binds_tighter_and_parts_are_found() -> None:
    rule = Labels(3) & Cost(1.0) | WallTime(60.0)
    assert rule == AnyOf((AllOf((Labels(3), Cost(1.0))), WallTime(60.0)))
    assert {type(part) for part in rule.parts()} == {AnyOf, AllOf, Labels, Cost, WallTime}
    assert OnErrorGrowth() in (EveryLabels(3) | OnErrorGrowth()).parts()


def test_deadlines_are_those_of_all_parts() -> None:
    rule = (Labels(3) & WallTime(60.0)) | WallTime(90.0) | Never()
    assert set(rule.deadlines()) == {60.0, 90.0}
    assert Labels(3).deadlines() == ()


def test_nothing_holds_of_no_rules() -> None:
    assert AllOf(())(View()) is None
    assert AnyOf(())(View()) is None
    assert Never()(View(labels=10**9)) is None
    assert (Never() | ENOUGH)(View(labels=5)) is not None
    assert (Never() & ENOUGH)(View(labels=5)) is None


def test_the_base_rule_is_no_rule() -> None:
    with pytest.raises(TypeError, match="Rule is abstract"):
        Rule()(View())
