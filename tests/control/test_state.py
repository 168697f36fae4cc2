"""State is a fold of facts: snapshots, double folding, what a plan that changed means."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from control_plans import facts, given_weights, imported, plan
from hypothesis import given
from hypothesis import strategies as st

from querist.control.state import CampaignState
from querist.core.answers import Purpose
from querist.core.events import Fact
from querist.testing.control import ControlHarness, World, resumed

REPEATABLE = {"question.asked", "gate.limits", "model.evaluated", "model.published"}
REPEATABLE |= {"run.started", "explored", "worker.joined"}


def data_of(state: CampaignState) -> dict:
    data = json.loads(json.dumps(state.snapshot()[0]))
    del data["now"]
    return data


def restored(campaign, state: CampaignState) -> CampaignState:
    data, arrays = state.snapshot()
    new = CampaignState(campaign)
    new.restore(json.loads(json.dumps(data)), arrays)
    return new


@pytest.fixture(scope="module")
def journal() -> list[Fact]:
    world = World(refusals=0.2, abstentions=0.1, failures=0.1)
    harness = ControlHarness(plan(labels=25), 4, world, [imported(3)])
    harness.run()
    return harness.journal


@given(st.data())
def test_a_snapshot_anywhere_and_the_tail_make_the_whole(journal, data) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    state = restored(plan(labels=25), resumed(plan(labels=25), journal[:cut]))
    for fact in journal[cut:]:
        state.fold(fact)
    whole = resumed(plan(labels=25), journal)
    assert data_of(state) == data_of(whole)
    assert state.open_by_purpose == whole.open_by_purpose
    assert state.open_by_oracle == whole.open_by_oracle


@given(st.data())
def test_facts_that_are_no_answers_may_be_folded_twice(journal, data) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    ahead = data.draw(st.integers(cut, len(journal)))
    state = resumed(plan(labels=25), journal[:cut])
    for fact in journal[cut:ahead]:
        if fact.kind in REPEATABLE - {"model.published"}:
            state.fold(fact)
    for fact in journal[cut:]:
        state.fold(fact)
    whole = data_of(resumed(plan(labels=25), journal))
    got = data_of(state)
    # What is known of a version that is not yet published is the only thing that may differ.
    for name in ("published_error", "recent_error", "open"):
        whole.pop(name), got.pop(name)
    assert got == whole
    full = resumed(plan(labels=25), journal)
    assert set(state.open) == set(full.open)
    assert state.open_by_purpose == full.open_by_purpose
    assert state.open_by_oracle == full.open_by_oracle


def test_counts_are_those_of_the_facts(journal) -> None:
    state = resumed(plan(labels=25), journal)
    labels = facts("answer.label", journal)
    assert sum(state.answered.values()) == len(labels) == state.ledger.labels
    assert state.labels == len(labels) + 3
    assert state.train_labels == state.answered[Purpose.TRAIN] + 3
    final = [f for f in facts("answer.failure", journal) if f.data["final"]]
    assert state.quarantined == len(final)
    answers = [*labels, *facts("answer.failure", journal), *facts("answer.abstention", journal)]
    assert state.ledger.cost == pytest.approx(sum(f.data["cost"] for f in answers))
    assert state.now == journal[-1].data["t"]


def command(**data) -> Fact:
    return Fact("user.command", {"t": 0.0, "kind": "set", "data": data})


def test_what_a_user_set_outlives_a_snapshot_and_the_plan_rules_the_rest() -> None:
    state = CampaignState(plan(labels=30, cost=5.0, seconds=60.0))
    state.fold(command(labels=100, threshold=0.5))
    raised = restored(plan(labels=40, cost=9.0, seconds=90.0), state)
    assert raised.ledger.label_limit == 100
    assert raised.ledger.cost_limit == 9.0
    assert (raised.seconds, raised.threshold) == (90.0, 0.5)
    state.fold(command(labels=None, seconds=None, threshold=None))
    assert state.ledger.label_limit == math.inf
    assert (state.seconds, state.threshold) == (None, None)


def evaluated(version: int, error: float | None, on: str = "holdout") -> Fact:
    data = {"t": 0.0, "version": version, "n": 3, "metrics": {"y.mae": error}, "on": on}
    return Fact("model.evaluated", data)


def test_the_learning_curve_is_in_the_order_of_versions() -> None:
    state = CampaignState(plan())
    for fact in (given_weights(1), given_weights(2), evaluated(2, 0.2), evaluated(1, 0.4)):
        state.fold(fact)
    assert [errors["version"] for errors in state.errors] == [1, 2]
    assert state.published_error == 0.2
    state.fold(evaluated(2, None))
    assert math.isnan(state.errors[-1]["y.mae"])


def test_errors_of_an_older_model_are_not_taken_for_the_newest_one_s() -> None:
    state = CampaignState(plan())
    for fact in (given_weights(1), evaluated(1, 0.4), evaluated(1, 0.9, "recent")):
        state.fold(fact)
    assert (state.published_error, state.recent_error) == (0.4, 0.9)
    state.fold(given_weights(2))
    state.fold(evaluated(1, 0.7, "recent"))
    assert math.isnan(state.recent_error)
    assert math.isnan(state.published_error)


def test_versions_only_grow() -> None:
    state = CampaignState(plan())
    state.fold(given_weights(3))
    state.fold(given_weights(2))
    assert state.model.version == 3


def test_unknown_facts_change_nothing_but_the_time() -> None:
    state = CampaignState(plan())
    before = data_of(state)
    state.fold(Fact("from.the.future", {"t": 7.0, "x": 1}, {"y": np.ones(3)}))
    assert data_of(state) == before
    assert state.now == 7.0


@pytest.mark.parametrize(("explorers", "kept"), [(2, True), (3, False)])
def test_walkers_are_forgotten_where_others_explore(journal, explorers, kept) -> None:
    asked = next(i for i, fact in enumerate(journal) if fact.kind == "question.asked" and i > 5)
    state = resumed(plan(labels=25), journal[: asked + 1])
    before = [(item.slot, item.walker) for item in state.open.values()]
    assert any(slot >= 0 for slot, _ in before)
    state = restored(plan(labels=25), state)
    pools = {f"explorer.{index}": 1 for index in range(explorers)}
    state.fold(Fact("run.started", {"epoch": 1, "t": 9.0, "pools": pools}))
    after = [(item.slot, item.walker) for item in state.open.values()]
    assert after == (before if kept else [(-1, -1)] * len(before))


def test_errors_of_the_newest_model_outlive_a_snapshot() -> None:
    state = CampaignState(plan())
    state.fold(given_weights())
    for on, error in (("holdout", 0.25), ("recent", 0.5)):
        told = {"t": 1.0, "version": 1, "n": 9, "metrics": {"y.mae": error}, "on": on}
        state.fold(Fact("model.evaluated", told))
    again = restored(plan(), state)
    assert (again.published_error, again.recent_error) == (0.25, 0.5)
