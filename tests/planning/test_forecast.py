"""Forecasts of allocations, and the bottleneck in words."""

from __future__ import annotations

import numpy as np
import pytest

from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.stop import Labels
from querist.engines.durations import Constant
from querist.planning.behaviour import Behaviour, Fits
from querist.planning.forecast import Allocation, coarse, forecast
from querist.planning.virtual import Virtual

POLICY = StandardPolicy(EveryLabels(20), Labels(100))
PLAN = Plan((OraclePlan("f"),), POLICY, labels=100, initial=8, holdout=0.0)
QUICK = Behaviour({"f": Constant(1.0)}, fits=Fits(0.1), slices=Constant(0.05))
HERE = Allocation(1, (("f", 4),), 1)


def test_busy_oracles_are_the_bottleneck() -> None:
    found = forecast(PLAN, HERE, QUICK)
    assert found.status == "finished"
    assert found.seconds == pytest.approx(25, rel=0.1)
    assert found.busy["f"] > 0.9
    assert found.bottleneck.startswith("the oracle 'f'")
    assert 0 < found.utilisation <= 1


def test_slow_training_that_all_wait_for_is_the_bottleneck() -> None:
    waiting = Plan((OraclePlan("f"),), POLICY, labels=100, initial=8, max_fresh=10)
    slow = Behaviour({"f": Constant(0.1)}, fits=Fits(20.0))
    assert forecast(waiting, HERE, slow).bottleneck.startswith("training")


def test_too_few_questions_are_the_bottleneck() -> None:
    rare = Behaviour({"f": Constant(0.1)}, found=Constant(1), slices=Constant(1.0), fits=Fits(0.1))
    assert forecast(PLAN, HERE, rare).bottleneck.startswith("questions")


def test_what_does_not_end_in_time_says_so() -> None:
    found = forecast(PLAN, HERE, QUICK, limit=5.0)
    assert found.status == "unfinished"
    assert "does not end in time" in found.bottleneck


def test_slices_are_joined_where_answers_are_long_and_the_forecast_stays() -> None:
    slow = Behaviour({"f": Constant(100.0)}, fits=Fits(1.0), found=Constant(20))
    joined = coarse(slow, HERE)
    rng = np.random.default_rng(0)
    assert joined.slices.draw(rng, 1)[0] == pytest.approx(5.0)  # of 0.25: 20 as one
    assert joined.found.draw(rng, 1)[0] == pytest.approx(8 + 3 * 4 * 5 / 100)  # not 400
    exact = Virtual(HERE.plan(PLAN, 1), HERE.counts(), slow).run().seconds
    assert forecast(PLAN, HERE, slow).seconds == pytest.approx(exact, rel=0.01)
    quick = coarse(QUICK, HERE)
    assert quick.slices.draw(rng, 1)[0] == pytest.approx(0.05)
