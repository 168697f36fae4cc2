"""The retrain interval: times to an error in simulated time, and whether a choice is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.stop import Labels
from querist.engines.durations import Constant
from querist.planning.behaviour import Behaviour, Fits
from querist.planning.forecast import Allocation
from querist.planning.interval import Aim, Interval, Reached, chosen, intervals, reach, regret
from querist.planning.text import interval_text
from querist.planning.worth import RATES, Law

PLAN = Plan(
    oracles=(OraclePlan("f"),),
    policy=StandardPolicy(EveryLabels(40), Labels(30)),  # no rule of the plan ends what follows
    initial=20,
    holdout=0.0,
    labels=30,
)
WORLD = Behaviour({"f": Constant(1.0)}, slices=Constant(0.1), found=Constant(8), fits=Fits(3.0))
HERE = Allocation(1, (("f", 2),), 1)


def law(rate: float, power: float = 0.5, draws: int = 4) -> Law:
    same = np.full(draws, RATES.index(rate))
    return Law("y.mae", same, np.zeros(draws), np.full(draws, power), 100, 0.1, 9)


def seconds(every: int | None, of: Law, error: float = 0.1, **more: float) -> Reached:
    at = Allocation(HERE.explorers, HERE.oracles, HERE.trainers, every=every)
    return reach(PLAN, at, WORLD, Aim(of, error, **more))


def test_without_staleness_the_first_model_of_enough_labels_is_there() -> None:
    found = seconds(30, law(0.0))  # 0.1 wants 100 labels; two workers give two a second
    assert found.labels[0] == 110  # 20, 50, 80, 110
    assert found.seconds[0] == pytest.approx(110 / 2 + 3, abs=1.5)
    assert found.fits == 4
    assert found.between() == (found.typical, found.typical)
    assert seconds(None, law(0.0)).labels[0] == 100  # as planned, after 20, 60 and 100


def test_staleness_wants_more_labels_the_rarer_the_fits() -> None:
    often, rare = (seconds(every, law(8.0)).labels[0] for every in (10, 80))
    assert 100 < often < rare


def test_what_is_never_reached_is_infinite() -> None:
    assert math.isinf(seconds(30, law(0.0), error=1e-9, limit=50.0).typical)


def test_the_best_of_each_interval_is_found_with_neighbours() -> None:
    asked: list[Allocation] = []

    def evaluate(at: Allocation) -> Reached:
        asked.append(at)
        took = abs((at.every or 40) - 20) + 5.0 * abs(at.explorers - 3) + 1.0
        return Reached(at, np.full(4, took), np.full(4, 100.0), 3)

    def near(at: Allocation) -> list[Allocation]:
        steps = (at.explorers - 1, at.explorers + 1)
        return [Allocation(n, at.oracles, at.trainers, every=at.every) for n in steps if n]

    found = chosen([HERE], [None, 10, 20, 80], evaluate, near)
    assert [one.allocation.every for one in found] == [20, 10, None, 80]
    assert found[0].allocation.explorers == 3
    assert len(asked) == len(set(asked))


def reached(every: int, *took: float) -> Reached:
    at = Allocation(1, HERE.oracles, 1, every=every)
    return Reached(at, np.array(took), np.full(len(took), 50.0), 2)


def test_a_choice_is_known_where_it_costs_little_in_nearly_all_draws() -> None:
    sure = [reached(10, *[2.0] * 20), reached(40, *[4.0] * 19, 1.0)]
    assert regret(sure) == pytest.approx(1.0)
    torn = [reached(10, *[2.0] * 20), reached(40, *[4.0] * 10, *[1.0] * 10)]
    assert regret(torn) == pytest.approx(2.0)
    assert regret([reached(10, *[math.inf] * 20)]) == math.inf
    aim = Aim(law(0.0), 0.1)
    known, unknown = Interval.of(aim, sure), Interval.of(aim, torn)
    assert (known.known, unknown.known) == (True, False)
    assert "every 10 labels: 2.0 s" in interval_text(known)
    assert "these runs do not tell which is best" in interval_text(unknown)
    assert "No interval gets there" in interval_text(Interval.of(aim, [reached(5, math.inf)]))
    assert interval_text("nothing is trained") == (
        "Retrain interval: left as configured; nothing is trained."
    )


def test_intervals_are_doubled_up_to_half_of_the_labels() -> None:
    assert intervals(1000) == [8, 16, 31, 62, 100, 200, 500]
    assert intervals(2) == [1]
