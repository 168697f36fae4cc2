"""Advice to workers of a campaign that runs, from the facts of simulated runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.stop import Labels
from querist.core.events import Fact
from querist.engines.durations import Constant
from querist.planning.behaviour import Behaviour, Fits
from querist.planning.forecast import Allocation, forecast
from querist.planning.staffing import Advice, Adviser, Bounds, difference, neighbours
from querist.planning.virtual import Virtual
from querist.testing.runs import RunFact

PLAN = Plan((OraclePlan("f"),), StandardPolicy(EveryLabels(50), Labels(150)), labels=150, initial=8)
BOUNDS = Bounds({"explorers": 1, "oracle.f": 1}, {})
SCARCE = Behaviour(  # two explorers find four questions a second
    {"f": Constant(0.02)}, slices=Constant(1.0), found=Constant(2.0), fits=Fits(0.1)
)
DEAR = Behaviour(  # one explorer finds all that six workers can answer
    {"f": Constant(2.0)}, slices=Constant(0.25), found=Constant(8.0), fits=Fits(0.1)
)


def facts_of(behaviour: Behaviour, explorers: int, oracles: int) -> list[RunFact]:
    found: list[RunFact] = []
    counts = {f"explorer.{n}": 1 for n in range(explorers)} | {"oracle.f": oracles, "trainer": 1}

    def note(fact: Fact) -> None:
        found.append(RunFact(len(found) + 1, fact.kind, fact.data, fact.arrays))

    Virtual(PLAN, counts, behaviour, 1, note).run()
    return found


def looks(adviser: Adviser, facts: list[RunFact]) -> Iterator[list[Advice]]:
    """What it says each time that it is ready."""
    for fact in facts:
        adviser.add(fact)
        if adviser.ready:
            yield adviser.advice()


def first(adviser: Adviser, facts: list[RunFact]) -> tuple[int, list[Advice]]:
    """Number of the look at which it says something, and what."""
    return next((n, said) for n, said in enumerate(looks(adviser, facts)) if said)


def test_oracle_workers_that_wait_for_questions_become_explorers() -> None:
    number, said = first(Adviser(PLAN, BOUNDS), facts_of(SCARCE, 2, 6))
    assert number >= 1  # never at the first look
    assert {(one.source, one.target) for one in said} == {("oracle.f", "explorers")}
    assert 3 <= len(said) <= 5
    assert "instead of" in said[0].why
    moved = Allocation(2 + len(said), (("f", 6 - len(said)),), 1)
    before = forecast(PLAN, Allocation(2, (("f", 6),), 1), SCARCE).seconds
    assert forecast(PLAN, moved, SCARCE).seconds < 0.6 * before


@pytest.mark.slow
def test_explorers_become_oracle_workers_where_answers_are_dear() -> None:
    _, said = first(Adviser(PLAN, BOUNDS), facts_of(DEAR, 4, 4))
    assert Counter((one.source, one.target) for one in said) == {("explorers", "oracle.f"): 3}


@pytest.mark.slow
@pytest.mark.parametrize(("explorers", "oracles"), [(1, 7), (2, 14)])
def test_a_good_allocation_is_left_alone(explorers: int, oracles: int) -> None:
    assert not any(looks(Adviser(PLAN, BOUNDS), facts_of(DEAR, explorers, oracles)))


def test_workers_of_an_oracle_that_nobody_asks_join_another() -> None:
    plan = replace(PLAN, oracles=(OraclePlan("f"), OraclePlan("g")))
    adviser = Adviser(plan, Bounds({"oracle.f": 1, "oracle.g": 1}, {}))
    facts, counts = list[RunFact](), {"explorer.0": 1, "trainer": 1, "oracle.f": 2, "oracle.g": 4}

    def note(fact: Fact) -> None:
        facts.append(RunFact(len(facts) + 1, fact.kind, fact.data, fact.arrays))

    known = replace(DEAR, labels={"f": Constant(2.0), "g": Constant(1.0)})
    Virtual(plan, counts, known, 1, note).run()
    _, said = first(adviser, facts)
    assert {(one.source, one.target) for one in said} == {("oracle.g", "oracle.f")}


def test_nothing_is_said_while_workers_move() -> None:
    facts, adviser = facts_of(SCARCE, 2, 6), Adviser(PLAN, BOUNDS)
    half = len(facts) // 2
    for fact in facts[:half]:
        adviser.add(fact)
    moves = {"t": facts[half].data["t"], "source": "oracle.f", "target": "explorer.2", "why": ""}
    adviser.add(RunFact(0, "worker.moves", moves, {}))
    assert not any(True for _ in looks(adviser, facts[half:]))


def test_no_more_move_than_can_be_spared_or_are_of_use() -> None:
    at = Allocation(2, (("f", 3),), 1)
    bounds = Bounds({"explorers": 2, "oracle.f": 1, "trainer": 1}, {"trainer": 2})
    found = {(n.explorers, dict(n.oracles)["f"], n.trainers) for n in neighbours(at, bounds)}
    assert found == {(3, 2, 1), (2, 2, 2)}
    there = Allocation(3, (("f", 1),), 2)
    assert difference(at, there) == {("oracle.f", "explorers"): 1, ("oracle.f", "trainer"): 1}
