"""A controller keeps its promises in any order of events; see `querist.testing.control_checks`."""

from __future__ import annotations

from control_plans import facts, given_weights, imported, plan, plans, scripts, worlds
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.events import Posted, StoreBroken
from querist.testing.control import ControlHarness, Crash, record_trace, replay_trace

EXAMPLES = settings().max_examples  # of the profile in force
seeds = st.integers(0, 2**32 - 1)
earlier = st.lists(
    st.sampled_from([imported(12), imported(3, "holdout"), given_weights()]),
    max_size=2,
    unique_by=id,
)


class Person:
    """Answers outside questions after a while."""

    def __init__(self, harness: ControlHarness) -> None:
        self.harness, self.asked = harness, set()

    def look(self) -> None:
        harness = self.harness
        for question, held in list(harness.controller.state.open.items()):
            if held.question.oracle == "person" and question not in self.asked:
                self.asked.add(question)
                kind = "abstain" if harness.rng.random() < 0.2 else "answer"
                arrays = {} if kind == "abstain" else {"y": held.sample["x"]}
                message = Posted(f"p.{question}", kind, {"question": question}, arrays)
                harness.at(harness.now + harness.rng.exponential(1.0), message)


def run(harness: ControlHarness, limit: int = 20_000):
    person = Person(harness)
    while harness.ended is None:
        assert harness.events < limit, f"no end after {limit} events"
        harness.step()
        person.look()
    return harness.run()


@settings(max_examples=2 * EXAMPLES)
@given(plans(), worlds, scripts(), earlier, seeds)
def test_any_order_of_events_keeps_every_promise(plan, world, script, earlier, seed) -> None:
    harness = ControlHarness(plan, seed, world, earlier)
    for when, what in script:
        harness.at(when, what)
    ended = run(harness)
    assert ended.reason
    broken = any(isinstance(what, StoreBroken) for _, what in script) and harness._broken
    if not broken:
        assert facts("run.ended", harness.journal)[-1].data["status"] == ended.status


@settings(max_examples=EXAMPLES // 2)
@given(plans(), worlds, seeds)
def test_a_recorded_trace_replays_to_the_same_commands(plan, world, seed) -> None:
    harness = ControlHarness(plan, seed, world)
    for _ in range(120):
        if harness.ended is None:
            harness.step()
    count = replay_trace(harness.replica, record_trace(harness.steps), harness.header)
    assert count == len(harness.steps)


@settings(max_examples=EXAMPLES // 2)
@given(worlds, seeds, st.lists(st.floats(0.0, 10.0), min_size=1, max_size=4))
def test_no_crash_loses_an_answer_or_asks_again(world, seed, crashes) -> None:
    harness = ControlHarness(plan(seconds=10.0), seed, world)
    for when in crashes:
        harness.at(when, Crash())
    run(harness)
    labels = [fact.data["question"] for fact in facts("answer.label", harness.journal)]
    assert len(labels) == len(set(labels)) <= 30
