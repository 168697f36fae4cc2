"""A run that a user pauses: nothing is asked, what is on its way arrives, and it goes on."""

from __future__ import annotations

from control_plans import facts, plan

from querist.control.controller import CampaignController
from querist.control.plan import OraclePlan
from querist.core.events import Posted
from querist.testing.control import ControlHarness, Crash, World

PERSON = OraclePlan("person", outside=3)


def until(harness: ControlHarness, condition, limit: int = 5000) -> None:
    while not condition():
        harness.step()
        limit -= 1
        assert limit, "it never came to that"


def post(harness: ControlHarness, when: float, name: str, kind: str, **data) -> None:
    harness.at(when, Posted(name, kind, data))


def test_pause_and_resume() -> None:
    harness = ControlHarness(plan(), 0, World(label_seconds=0.05))
    post(harness, 1.0, "p", "pause")
    until(harness, lambda: harness.controller.state.paused)
    assert harness.live
    assert not harness.controller.desk.held  # answers are on their way yet
    until(harness, lambda: harness.now > 20.0 or not harness._heap)
    assert not harness.live
    assert harness.controller.desk.held
    before = len(facts("question.asked", harness.journal))
    post(harness, 30.0, "r", "resume")
    until(harness, lambda: not harness.controller.state.paused)
    assert not harness.controller.desk.held
    harness.run()
    paused = [
        fact for fact in facts("question.asked", harness.journal) if 1.0 < fact.data["t"] < 30
    ]
    assert not paused
    assert len(facts("question.asked", harness.journal)) > before
    assert not harness.inbox


def test_a_run_is_held_only_while_it_is_paused_and_nothing_is_on_its_way() -> None:
    controller = CampaignController(plan(oracles=(PERSON,)))
    controller.begin(0.0, {})
    assert not controller.desk.held  # nothing is on its way, but it is not paused
    harness = ControlHarness(plan(), 0, World(fit_seconds=50.0))
    until(harness, lambda: harness.controller.training.fit)
    post(harness, harness.now, "p", "pause")
    until(harness, lambda: harness.controller.state.paused)
    until(harness, lambda: not harness.controller._in_flight())
    assert {live.task.kind for live in harness.live.values()} == {"fit"}
    assert not harness.controller.desk.held


def test_a_pause_outlives_a_crash() -> None:
    harness = ControlHarness(plan(), 0)
    post(harness, 1.0, "p", "pause")
    harness.at(3.0, Crash())
    post(harness, 9.0, "r", "resume")
    harness.run()
    assert harness.crashes == 1
    assert not [f for f in facts("question.asked", harness.journal) if 3.0 < f.data["t"] < 9.0]
