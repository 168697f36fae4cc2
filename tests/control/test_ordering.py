"""A strategy's order: when it is made, how it is followed, what happens without one."""

from __future__ import annotations

import pytest
from control_plans import facts, plan

from querist.control.gate import LimitRule
from querist.control.plan import OrderRule
from querist.control.retrain import EveryLabels
from querist.testing.control import ControlHarness, World, resumed


def run(campaign, seed=0, **world) -> ControlHarness:
    harness = ControlHarness(campaign, seed, World(**world))
    harness.run()
    return harness


def asked(harness: ControlHarness) -> list:
    return facts("question.asked", harness.journal)


def chosen(harness: ControlHarness) -> list:
    return [fact for fact in asked(harness) if fact.data["purpose"] == "train"][8:]


STRICT = {"wait": None, "least": 30, "batch": 5}
POOL = {"universe": 300, "walkers": 20}


def test_what_is_asked_is_the_order_of_the_newest_selection() -> None:
    harness = run(plan(ordering=OrderRule(**STRICT), max_fresh=5, labels=40), **POOL)
    made = {fact.data["selection"]: fact for fact in facts("selection.made", harness.journal)}
    by_strategy = [fact for fact in asked(harness) if fact.data["why"] == "made-up"]
    assert len(by_strategy) > 15
    assert not [fact for fact in chosen(harness) if fact.data["why"] == "uncertain"]
    places: dict[int, list[int]] = {}
    for fact in by_strategy:
        order = made[fact.data["selection"]].data
        place = order["picked"].index(fact.data["sample"])
        assert fact.data["strategy_score"] == order["scores"][place]
        places.setdefault(fact.data["selection"], []).append(place)
    assert all(found == sorted(found) for found in places.values())


def test_an_order_is_made_anew_for_each_model() -> None:
    harness = run(plan(ordering=OrderRule(**STRICT), max_fresh=5, labels=40), **POOL)
    versions = [fact.data["version"] for fact in facts("selection.made", harness.journal)]
    assert versions == sorted(versions)
    assert len(set(versions)) >= 4


def test_workers_that_wait_too_long_get_the_most_uncertain() -> None:
    slow = {"fit_seconds": 50.0, "label_seconds": 0.1, **POOL}
    patient = run(plan(ordering=OrderRule(wait=None, batch=5), labels=40), **slow)
    hasty = run(plan(ordering=OrderRule(wait=0.5, batch=5), labels=40), **slow)
    whys = [{fact.data["why"] for fact in chosen(one)} for one in (patient, hasty)]
    assert "uncertain" not in whys[0]
    assert "uncertain" in whys[1]
    assert hasty.now < patient.now


def test_a_strategy_looks_at_what_waits_one_look_at_a_time() -> None:
    campaign = plan(ordering=OrderRule(wait=None, batch=3, least=5), labels=40, trainers=3)
    harness = ControlHarness(campaign, 0, World(fit_seconds=2.0, label_seconds=0.1, **POOL))
    most = 0
    while harness.ended is None:
        harness.step()
        most = max(most, sum(live.task.kind == "select" for live in harness.live.values()))
    assert most == 1


def test_a_round_is_asked_and_answered_before_the_next_is_made() -> None:
    rule = OrderRule(batch=6, least=10, wait=None, rounds=True)
    harness = run(plan(ordering=rule, labels=50, retrain=EveryLabels(4)), **POOL)
    open_, picked = set(), set()
    for fact in harness.journal:
        if fact.kind == "question.asked" and fact.data["sample"] in picked:
            open_.add(fact.data["question"])
        elif fact.kind == "answer.label":
            open_.discard(fact.data["question"])
        elif fact.kind == "selection.made":
            assert not open_
            picked = set(fact.data["picked"])
    assert len(facts("selection.made", harness.journal)) > 3


def test_shares_that_are_drawn_at_random_are_kept_when_nothing_more_is_explored() -> None:
    rule = OrderRule(wait=None, batch=5, least=10)
    campaign = plan(ordering=rule, holdout=0.3, labels=60, limits=LimitRule(), explorers=1)
    harness = run(campaign, universe=2000, walkers=100, slices=8)
    assert harness.controller.exploring.exhausted
    purposes = [fact.data["purpose"] for fact in asked(harness)]
    assert len(purposes) > 40
    assert 0.25 < purposes.count("holdout") / len(purposes) <= 0.31


def test_a_strategy_that_always_fails_ends_the_campaign() -> None:
    harness = ControlHarness(plan(ordering=OrderRule(batch=5, least=5)), 0, World(**POOL))
    fate = harness.work.fate
    harness.work.fate = lambda task: "fails" if task.kind == "select" else fate(task)
    harness.run()
    assert harness.ended is not None
    assert harness.ended.status == "failed"
    assert "the strategy failed 3 times: it raised" in harness.ended.reason


def test_one_that_fails_later_is_done_without() -> None:
    campaign = plan(ordering=OrderRule(batch=5, least=5, wait=None), labels=40)
    harness = ControlHarness(campaign, 0, World(**POOL))
    fate = harness.work.fate
    bad = set(range(2, 99))
    harness.work.fate = lambda task: (
        "fails" if task.kind == "select" and task.payload["model"].version in bad else fate(task)
    )
    harness.run()
    assert harness.ended is not None
    assert harness.ended.status == "finished"
    version, without = 0, set()
    for fact in harness.journal:
        if fact.kind == "model.published":
            version = fact.data["version"]
        elif fact.kind == "question.asked" and fact.data["why"] == "uncertain":
            without.add(version)
    assert without
    assert without <= bad


@pytest.mark.parametrize("seed", range(3))
def test_a_choice_and_an_order_outlive_a_crash(seed) -> None:
    campaign = plan(ordering=OrderRule(batch=6, least=10, rounds=True), labels=50)
    harness = run(campaign, seed, crash=0.02, **POOL)
    last = facts("selection.made", harness.journal)[-1].data
    state = resumed(campaign, harness.journal)
    assert state.choice == last["choice"]
    assert state.selections == last["selection"] == len(facts("selection.made", harness.journal))


def test_selecting_never_keeps_fits_waiting() -> None:
    campaign = plan(ordering=OrderRule(batch=2, least=2), labels=60, retrain=EveryLabels(5))
    harness = run(campaign, label_seconds=0.01, fit_seconds=0.5, **POOL)
    trained = [fact.data["train"] for fact in facts("model.published", harness.journal)]
    assert len(trained) >= 5
