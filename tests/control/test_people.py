"""Questions that lie with people: lent, and withdrawn when the model has become certain."""

from __future__ import annotations

import numpy as np
from control_plans import facts, plan

from querist.control.people import WITHDRAWN
from querist.control.plan import OraclePlan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.rules import Never
from querist.core.answers import Purpose
from querist.core.events import Posted
from querist.testing.control import ControlHarness, World

PERSON = OraclePlan("person", outside=6)
BOTH = plan(
    oracles=(OraclePlan("f"), PERSON),
    policy=StandardPolicy(EveryLabels(5), Never(), (("f", 0.0), ("person", 0.3))),
    labels=60,
)


def asked_of_people(world: World | None = None) -> ControlHarness:
    """Run until people have been asked after the first model, and answer nothing."""
    harness = ControlHarness(BOTH, 3, world or World(noise=0.3))
    for _ in range(4000):
        if harness.ended is not None or harness.controller.asking.outside.samples():
            break
        harness.step()
    assert harness.controller.asking.outside.samples()
    return harness


def rescored(harness: ControlHarness, score: float) -> list[str]:
    """Give all that lies with people this score; the questions that are withdrawn."""
    controller = harness.controller
    samples = [sample.id for sample in controller.asking.outside.samples()]
    before = len(facts("answer.abstention", harness.journal))
    controller.asking.rescore(samples, [score] * len(samples), controller.view())
    harness.handle(Posted(f"tick-{harness.now}-{score}", "resume"))  # takes what was recorded
    found = facts("answer.abstention", harness.journal)[before:]
    return [fact.data["question"] for fact in found if fact.data.get("withdrawn")]


def test_a_stale_question_is_withdrawn_and_gives_its_budget_back() -> None:
    harness = asked_of_people()
    state = harness.controller.state
    open_ = {q.id for q in state.open.values() if q.question.oracle == "person"}
    train = {q for q in open_ if state.open[q].purpose is Purpose.TRAIN}
    gone = rescored(harness, 0.0)
    assert set(gone) == train
    harness.step()
    fact = next(f for f in facts("answer.abstention", harness.journal) if f.data.get("withdrawn"))
    assert (fact.data["message"], fact.data["cost"]) == (WITHDRAWN, 0.0)
    for _ in range(50):
        harness.step()
    assert not train & set(harness.controller.state.open)
    assert harness.controller.state.quarantined == 0


def test_an_uncertain_one_stays() -> None:
    harness = asked_of_people()
    limits = harness.controller.state.limits
    assert limits is not None
    assert rescored(harness, 2 * limits.ask + 0.1) == []


def test_what_somebody_looks_at_stays_until_the_lease_is_over() -> None:
    harness = asked_of_people()
    controller = harness.controller
    held = next(q for q in controller.state.open.values() if q.question.oracle == "person")
    harness.handle(Posted("l", "lease", {"question": held.id, "holder": "ada", "seconds": 60}))
    assert held.id not in rescored(harness, 0.0)
    harness.handle(Posted("g", "lease", {"question": held.id, "seconds": 0}))
    assert held.id in rescored(harness, 0.0)


def test_a_lease_of_nothing_changes_nothing() -> None:
    harness = asked_of_people()
    for number, data in enumerate(({}, {"question": 3}, {"question": "no.f.0"})):
        harness.handle(Posted(f"n{number}", "lease", data))
    assert harness.controller.asking.outside.samples()


def test_others_go_on_while_people_think_and_new_models_withdraw() -> None:
    """Nobody answers for the whole campaign: f is asked, and what became certain goes."""
    harness = ControlHarness(BOTH, 3, World(noise=0.3))
    while harness.ended is None and harness.events < 6000:
        harness.step()
    by = [fact.data["oracle"] for fact in facts("answer.label", harness.journal)]
    assert len(by) > 20
    assert set(by) == {"f"}
    assert any(f.data.get("withdrawn") for f in facts("answer.abstention", harness.journal))


def test_a_late_answer_is_told_to_have_come_to_nothing() -> None:
    harness = asked_of_people()
    gone = rescored(harness, 0.0)[0]
    said = Posted("late", "answer", {"question": gone}, {"y": np.ones(1)})
    for _ in range(30):
        harness.step()
    commands = harness.controller.handle(said, harness.now)
    assert any("withdrawn before" in getattr(c, "message", "") for c in commands)
