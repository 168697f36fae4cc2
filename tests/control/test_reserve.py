"""Hold-out labels of a finite set are a random sample of it, whatever the strategy picks."""

from __future__ import annotations

import math

import numpy as np
from control_plans import facts, given_weights, plan

from querist.control.gate import LimitRule
from querist.control.plan import OrderRule
from querist.control.queue import Candidate
from querist.control.reserve import Reserve
from querist.core.batch import Sample
from querist.testing.control import ControlHarness, World

SAMPLES = [Sample.of({"x": np.array([float(i)])}) for i in range(2000)]


def candidate(index: int, version: int = 1) -> Candidate:
    return Candidate(SAMPLES[index], 0.5, "uncertain", 0, 0, version)


def aside(share: float, seed: int = 0) -> np.ndarray:
    reserve = Reserve(share, seed, 5000)
    return np.array([reserve.takes(candidate(i)) for i in range(len(SAMPLES))])


def test_chance_decides_by_the_sample_and_the_seed() -> None:
    taken = aside(0.1)
    assert 150 <= taken.sum() <= 250
    assert np.array_equal(taken, aside(0.1))
    assert not np.array_equal(taken, aside(0.1, seed=1))
    assert not (taken & ~aside(0.3)).any()  # a larger share takes more, not others
    assert not aside(0.0).any()


def test_what_is_before_the_first_model_is_not_set_aside() -> None:
    reserve = Reserve(1.0, 0, 10)
    assert reserve.takes(candidate(0))
    assert not reserve.takes(candidate(0, version=0))


def test_it_gives_each_once_and_nothing_after_its_release() -> None:
    reserve = Reserve(1.0, 0, 4)
    assert [reserve.push(candidate(i)) is None for i in range(5)] == [True] * 4 + [False]
    drawn = reserve.draw()
    assert drawn is not None
    assert drawn.sample.id not in reserve
    assert len(reserve.release()) == 3
    assert len(reserve) == 0
    assert reserve.draw() is None
    assert not reserve.takes(candidate(7))


def run(reserve: float, fails_from: float = math.inf, **more) -> ControlHarness:
    rule = OrderRule(wait=None, batch=5, least=10, reserve=reserve)
    campaign = plan(
        ordering=rule, holdout=0.2, limits=LimitRule(), explorers=1, max_queue=5000, **more
    )
    harness = ControlHarness(campaign, 0, World(universe=400, walkers=100, slices=8))
    shown = harness.work.fate

    def fate(task):
        if task.kind == "select":
            seen.update(sample.id for sample in task.payload["samples"])
            if task.payload["model"].version >= fails_from:
                return "fails"
        return shown(task)

    seen: set[str] = set()
    harness.work.fate = fate
    harness.run()
    harness.seen = seen
    return harness


def test_a_strategy_is_never_shown_what_the_holdout_is_drawn_from() -> None:
    harness = run(0.2, labels=80)
    asked = facts("question.asked", harness.journal)
    later = [f.data["sample"] for f in asked if f.data["why"] == "holdout"]
    assert len(later) >= 10
    assert not set(later) & harness.seen
    trained = {f.data["sample"] for f in asked if f.data["why"] == "made-up"}
    assert trained <= harness.seen
    purposes = [f.data["purpose"] for f in asked]
    assert 0.15 < purposes.count("holdout") / len(purposes) <= 0.21
    without = run(0.0, labels=80)
    drawn = [f.data for f in facts("question.asked", without.journal)]
    assert {d["sample"] for d in drawn if d["why"] == "holdout"} & without.seen


def test_what_is_set_aside_is_asked_for_the_hold_out_though_nothing_else_waits() -> None:
    harness = ControlHarness(plan(ordering=OrderRule(reserve=1.0), holdout=1.0), 0)
    asking = harness.controller.asking
    harness.controller.state.fold(given_weights())
    for index in range(4):
        assert asking.admit(candidate(index), harness.controller.view())
    assert len(asking.reserve) == 4
    assert not asking.queues["f"]
    assert asking._has_work("f")


def test_what_is_set_aside_stays_so_while_more_may_be_found() -> None:
    campaign = plan(ordering=OrderRule(reserve=0.5), labels=60, limits=LimitRule(), max_queue=999)
    harness = ControlHarness(campaign, 0, World(slice_seconds=5.0, label_seconds=0.1, walkers=30))
    harness.run()
    trained = [f for f in facts("question.asked", harness.journal) if f.data["purpose"] == "train"]
    reserve = Reserve(0.5, campaign.seed, 1)
    aside = [
        reserve.takes(Candidate(Sample({}, None, fact.data["sample"]), 0.5, "", version=1))
        for fact in trained
        if fact.data["version"]
    ]
    assert len(aside) > 10
    assert not any(aside)


def test_everything_is_asked_in_the_end() -> None:
    harness = run(0.2, labels=math.inf)
    assert harness.ended is not None
    assert harness.ended.status == "finished"
    assert "nothing is left to ask" in harness.ended.reason
    assert len(facts("selection.made", harness.journal)) >= 2
    asked = [f.data["sample"] for f in facts("question.asked", harness.journal)]
    assert len(asked) == len(set(asked))
    assert len(asked) > len(harness.seen)  # what was set aside too
    assert harness.controller.asking.queued == 0


def test_everything_is_asked_also_where_the_strategy_fails_later() -> None:
    harness = run(0.2, fails_from=2, labels=math.inf)
    assert harness.ended is not None
    assert harness.ended.status == "finished", harness.ended.reason
    asked = facts("question.asked", harness.journal)
    assert {"made-up", "uncertain"} <= {fact.data["why"] for fact in asked}
    assert harness.controller.asking.queued == 0
