"""What is spent and reserved never exceeds the budgets when a question is reserved."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from querist.control.ledger import Ledger, RunningCost

costs = st.floats(0.0, 5.0)


class LedgerMachine(RuleBasedStateMachine):
    @initialize(
        labels=st.sampled_from([0, 3, 10, math.inf]), cost=st.sampled_from([0.0, 7.5, math.inf])
    )
    def begin(self, labels: float, cost: float) -> None:
        self.ledger, self.limits = Ledger(labels, cost), (labels, cost)
        self.reserved: dict[str, float] = {}
        self.labels, self.cost, self.count = 0, 0.0, 0

    @rule(cost=costs)
    def reserve(self, cost: float) -> None:
        self.count += 1
        key = f"q{self.count}"
        fits = self.labels + len(self.reserved) + 1 <= self.limits[0]
        total = self.cost + sum(self.reserved.values()) + cost
        near = math.isclose(total, self.limits[1], rel_tol=1e-8)
        fits = fits and (near or total <= self.limits[1])
        before = json.dumps(self.ledger.state())
        granted = self.ledger.reserve(key, cost)
        assert granted == fits or near
        if granted:
            self.reserved[key] = cost
            assert self.ledger.labels + self.ledger.reserved_labels <= self.limits[0]
            spent = self.ledger.cost + self.ledger.reserved_cost
            assert spent <= self.limits[1] * (1 + 1e-8)
        else:
            assert json.dumps(self.ledger.state()) == before

    @precondition(lambda self: self.reserved)
    @rule(data=st.data(), actual=costs, label=st.booleans())
    def answer(self, data, actual: float, label: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.reserved)))
        del self.reserved[key]
        self.ledger.release(key)
        self.ledger.charge(actual, label=label)
        self.labels += label
        self.cost += actual

    @precondition(lambda self: self.reserved)
    @rule(data=st.data())
    def reserve_again(self, data) -> None:
        assert not self.ledger.reserve(data.draw(st.sampled_from(sorted(self.reserved))), 0.0)

    @rule()
    def restore(self) -> None:
        state = json.loads(json.dumps(self.ledger.state()))
        self.ledger = Ledger(*self.limits)
        self.ledger.restore(state)

    @invariant()
    def same(self) -> None:
        if hasattr(self, "ledger"):
            assert self.ledger.labels == self.labels
            assert self.ledger.cost == pytest.approx(self.cost)
            assert self.ledger.reserved_labels == len(self.reserved)
            assert self.ledger.reserved_cost == pytest.approx(sum(self.reserved.values()))


TestLedger = LedgerMachine.TestCase


def test_rounding_does_not_cost_the_last_question() -> None:
    ledger, asked = Ledger(cost=10.0), 0
    while ledger.reserve(f"q{asked}", 0.1):
        ledger.release(f"q{asked}")
        ledger.charge(0.1, label=True)
        asked += 1
    assert asked == 100


def test_a_failed_try_may_use_up_what_another_try_needs() -> None:
    ledger = Ledger(cost=2.0)
    assert ledger.reserve("q", 1.0)
    ledger.charge(0.9, label=False)
    assert ledger.affords(0.0)
    ledger.charge(0.9, label=False)
    assert not ledger.affords(0.0)


def test_cost_is_declared_or_learned() -> None:
    costs = RunningCost({"declared": 3.0, "learned": None})
    assert (costs.estimate("declared"), costs.estimate("learned")) == (3.0, 0.0)
    for cost in (1.0, 2.0):
        costs.observe("learned", cost)
        costs.observe("declared", cost)
    assert (costs.estimate("declared"), costs.estimate("learned")) == (3.0, 1.5)
    back = RunningCost({"learned": None})
    back.restore(json.loads(json.dumps(costs.state())))
    assert back.estimate("learned") == 1.5
    assert back.estimate("unknown") == 0.0


def test_a_reservation_that_is_booked_again_counts_once() -> None:
    ledger = Ledger(10, 10.0)
    ledger.force("q", 3.0)
    ledger.force("q", 4.0)
    assert (ledger.reserved_labels, ledger.reserved_cost) == (1, 4.0)
