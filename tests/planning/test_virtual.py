"""Campaigns in simulated time: the real controller, deterministic by seed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.stop import ErrorBelow, Labels
from querist.core.errors import ConfigError
from querist.core.events import Fact
from querist.engines.durations import Constant, Exponential, LogNormal
from querist.engines.simulated import Losses
from querist.planning.behaviour import Behaviour, Fits, Learning
from querist.planning.virtual import Ended, Virtual

COUNTS = {"explorer.0": 1, "oracle.f": 4, "trainer": 1}
QUIET = Behaviour({"f": Constant(1.0)}, fits=Fits(0.0), sync=0.0, slices=Constant(0.01))


def plan(labels: int = 40, **changes: Any) -> Plan:
    policy = StandardPolicy(EveryLabels(10), Labels(labels))
    told = {"oracles": (OraclePlan("f"),), "policy": policy, "labels": labels, "initial": 8}
    return Plan(**{**told, "final_fit": False, "holdout": 0.0, **changes})


def run(behaviour: Behaviour, made: Plan | None = None, seed: int = 0, oracles: int = 4) -> Ended:
    facts: list[Fact] = []
    counts = {**COUNTS, "oracle.f": oracles}
    ended = Virtual(made or plan(), counts, behaviour, seed, facts.append).run()
    assert facts[0].kind == "run.started"
    assert facts[-1].kind == "run.ended"
    return ended


def test_without_any_friction_the_makespan_is_work_over_workers() -> None:
    ended = run(QUIET)
    assert (ended.status, ended.controller.state.ledger.labels) == ("finished", 40)
    assert ended.seconds == pytest.approx(40 / 4, abs=0.2)
    assert run(QUIET, oracles=8).seconds == pytest.approx(40 / 8, abs=0.2)


def test_workers_that_join_late_and_training_take_their_time() -> None:
    late = replace(QUIET, first=5.0, between=1.0)  # explorer 5, oracles 6 to 9, trainer 10
    assert run(late).seconds > 14
    slow = replace(QUIET, fits=Fits(20.0))
    # The first model after 8 labels, then one after each 10: nobody works during these fits.
    assert run(slow, plan(max_fresh=10)).seconds > 3 * 20
    assert run(slow).seconds < 3 * 20


def test_the_same_seed_gives_the_same_campaign() -> None:
    rough = Behaviour(
        {"f": LogNormal(1.0, 0.8)},
        failures={"f": 0.2},
        losses=Losses(30.0, 2.0),
        found=Exponential(5.0),
    )
    first, second, other = run(rough, seed=3), run(rough, seed=3), run(rough, seed=4)
    assert (first.seconds, first.handled) == (second.seconds, second.handled)
    assert first.seconds != other.seconds


def test_failures_and_losses_cost_time_and_no_label() -> None:
    rough = replace(QUIET, failures={"f": 0.3}, losses=Losses(20.0, 5.0))
    ended = run(rough, plan(200))
    assert ended.controller.state.ledger.labels == 200
    assert ended.controller.state.quarantined > 0
    assert ended.seconds > 1.3 * 200 / 4


def test_a_campaign_stops_by_the_learning_curve_it_is_told() -> None:
    policy = StandardPolicy(EveryLabels(10), ErrorBelow("y.mae", 0.1))
    made = plan(10_000, policy=policy, error_metric="y.mae", holdout=0.1)
    known = replace(QUIET, learning=Learning("y.mae", 1.0, 0.5))  # 0.1 after 100 labels
    labels = run(known, made).controller.state.ledger.labels
    assert 100 <= labels <= 140


def test_time_that_ends_before_the_campaign_leaves_it_unfinished() -> None:
    ended = Virtual(plan(1000), COUNTS, QUIET).run(limit=20.0)
    assert ended.status == "unfinished"
    assert 60 <= ended.controller.state.ledger.labels <= 84


def test_members_are_shared_out_and_nothing_is_negative() -> None:
    fits = Fits(4.0, 0.1, members=4)
    assert fits.seconds(100, None) == 14.0
    assert fits.seconds(100, 1) == 6.5
    with pytest.raises(ConfigError, match="none negative"):
        Fits(-1.0)
    with pytest.raises(ConfigError, match="known are: f"):
        QUIET.of_label("dft")
    assert math.isnan(Learning().error(10))


@pytest.mark.slow
def test_ten_thousand_workers_are_kept_busy() -> None:
    policy = StandardPolicy(EveryLabels(20_000), Labels(100_000))
    made = plan(100_000, initial=10_000, policy=policy, explorers=4, max_queue=20_000)
    known = replace(QUIET, labels={"f": LogNormal(60.0, 0.5)}, slices=Constant(5.0))
    known = replace(known, found=Constant(300.0), sync=0.02)
    counts = {f"explorer.{i}": 1 for i in range(4)} | {"oracle.f": 10_000, "trainer": 1}
    virtual = Virtual(made, counts, known)
    ended = virtual.run()
    assert ended.controller.state.ledger.labels == 100_000
    assert virtual.engine.busy()["oracle.f"] > 0.5 * 10_000 * ended.seconds
