"""Explorers are kept busy, their walkers are told, and given up when they fail and fail."""

from __future__ import annotations

import json
import math

import numpy as np
from control_plans import facts, given_weights, plan

from querist.control.controller import CampaignController
from querist.control.gate import LimitRule
from querist.control.sketch import QuantileSketch
from querist.control.state import CampaignState
from querist.core.answers import Failure, Label, Reason
from querist.core.batch import Batch, Sample
from querist.core.events import (
    Durable,
    Fact,
    Posted,
    Record,
    Submit,
    TaskFailed,
    TaskFinished,
    Tick,
    WorkerJoined,
    WorkerLost,
)
from querist.core.tasks import Task
from querist.testing.control import ControlHarness, World

A, B, C, D = (Sample.of({"x": np.array([number])}) for number in range(4))


class Bench:
    """A controller with weights, its explorers' tasks, and nobody else."""

    def __init__(self, oracles: int = 0, **changed) -> None:
        campaign = plan(**{"holdout": 0.0, "limits": LimitRule(ask=0.1), **changed})
        state = CampaignState(campaign)
        state.fold(given_weights())
        self.controller, self.now = CampaignController(campaign, state, 1), 0.0
        self.tasks: dict[str, Task] = {}
        self.seq = 1
        self.take(self.controller.begin(0.0, {}))
        for index in range(campaign.explorers):
            self.give(WorkerJoined(f"e{index}", f"explorer.{index}"))
        for index in range(oracles):
            self.give(WorkerJoined(f"o{index}", "oracle.f"))

    def give(self, event) -> list[Task]:
        commands = self.controller.handle(event, self.now)
        return self.take(commands)

    def take(self, commands) -> list[Task]:
        for command in commands:
            if isinstance(command, Record):
                self.seq = command.seq
        new = [command.task for command in commands if isinstance(command, Submit)]
        self.tasks.update({task.id: task for task in new})
        return new

    def slice_of(self, slot: int) -> Task | None:
        task = self.controller.exploring.slots[slot].task
        return None if task is None else self.tasks[task]

    def found(self, slot: int, samples, walkers, scores=None, **changed) -> list[Task]:
        """The slice of this explorer ends with these candidates."""
        task = self.slice_of(slot)
        scores = np.linspace(1, 2, len(samples)) if scores is None else np.array(scores)
        result = {
            "candidates": Batch.from_samples(samples),
            "scores": scores,
            "walkers": np.array(walkers, np.int64),
            "probes": Batch({}),
            "probe_scores": np.zeros(0),
            "sketch": QuantileSketch.of(scores),
            **dict.fromkeys(("steps", "proposed", "trusted", "asked", "rejected", "filtered"), 1),
            "version": 1,
            "predict": 0.0,
            "waiting": True,
            "exhausted": False,
            **changed,
        }
        return self.give(TaskFinished(task.id, "e", result))

    def label(self) -> None:
        """All label tasks end well, and are durable."""
        for task in [t for t in self.tasks.values() if t.id in self.controller.asking.tasks]:
            count = len(task.payload["questions"])
            result = {"outcomes": [Label({"y": np.ones(1)})] * count, "seconds": [0.1] * count}
            self.give(TaskFinished(task.id, "o", result))
        self.give(Durable(self.seq))

    def told(self, slot: int) -> list[tuple[int, str, bool]]:
        """Walker, sample and whether there was a label, as its next slice brings them."""
        answers = self.slice_of(slot).payload["answers"]
        return [(a.walker, a.sample.id, a.outputs is not None) for a in answers]


def test_a_slice_brings_the_model_the_limits_and_the_answers() -> None:
    bench = Bench(oracles=1, slice_steps=7, slice_seconds=0.3)
    payload = bench.slice_of(0).payload
    assert payload["model"].version == 1
    assert (payload["limits"].ask, payload["steps"], payload["seconds"]) == (0.1, 7, 0.3)
    bench.found(0, [A], [3])
    assert bench.slice_of(0) is None  # its walker waits
    bench.label()
    assert bench.told(0) == [(3, A.id, True)]


def test_two_walkers_that_wait_for_one_sample_are_both_told() -> None:
    bench = Bench(oracles=1)
    bench.found(0, [A], [0])
    bench.found(1, [A], [2])
    bench.label()
    assert bench.told(0) == [(0, A.id, True)]
    assert bench.told(1) == [(2, A.id, True)]
    queued = Bench()  # nobody asks: both wait in the queue
    queued.found(0, [A], [0])
    queued.found(1, [A], [2])
    queued.give(WorkerJoined("o", "oracle.f"))
    queued.label()
    assert queued.told(0) == [(0, A.id, True)]
    assert queued.told(1) == [(2, A.id, True)]


def test_what_was_answered_before_is_refused_and_its_walker_goes_on() -> None:
    bench = Bench(oracles=1)
    bench.found(0, [A], [0])
    bench.label()
    bench.found(0, [A], [1])
    assert bench.told(0) == [(1, A.id, False)]


def test_evicted_dropped_and_quarantined_candidates_let_their_walkers_go_on() -> None:
    bench = Bench(max_queue=1)
    bench.found(0, [A, B], [0, 1], [0.5, 0.9])
    assert bench.told(0) == [(0, A.id, False)]
    bench.found(0, [C], [2], [0.95])
    assert bench.told(0) == [(1, B.id, False)]
    failing = Bench(oracles=1)
    failing.found(0, [A], [0])
    task = next(iter(failing.controller.asking.tasks))
    outcome = Failure(Reason.UNSUPPORTED, "no", transient=False)
    failing.give(TaskFinished(task, "o", {"outcomes": [outcome], "seconds": [0.1]}))
    failing.give(Durable(failing.seq))
    assert failing.told(0) == [(0, A.id, False)]


def test_stale_candidates_let_their_walkers_go_on() -> None:
    bench = Bench()
    bench.found(0, [A, B], [0, 1], [0.5, 0.9])
    stale = bench.controller.asking.rescore([A.id, B.id], [0.01, 0.9], bench.controller.view())
    assert stale == 1
    bench.give(Tick())
    assert bench.told(0) == [(0, A.id, False)]
    assert [c.sample.id for c in bench.controller.asking.waiting()] == [B.id]


def test_answers_of_a_slice_that_failed_are_told_again() -> None:
    bench = Bench(oracles=1)
    bench.found(0, [A], [0])
    bench.label()
    lost = Failure(Reason.WORKER_LOST, "killed")
    bench.give(TaskFailed(bench.slice_of(0).id, "e", lost))
    assert bench.slice_of(0) is None  # it rests
    bench.now = bench.controller.next_deadline()
    bench.give(Tick())
    assert bench.told(0) == [(0, A.id, True)]


def test_a_waiting_explorer_rests_until_news_or_a_second() -> None:
    bench = Bench()
    bench.found(0, [A], [0])
    bench.found(1, [B], [0])
    assert bench.slice_of(0) is None
    assert bench.controller.next_deadline() == 1.0
    published = {"t": 0.5, "version": 2, "files": ["w"], "digest": "", "dataset": 0, "train": 0}
    bench.now = 0.5
    bench.controller.state.fold(Fact("model.published", published))
    bench.give(Tick())
    assert bench.slice_of(0).payload["model"].version == 2
    bench.found(0, [C], [1], version=2)
    bench.now = 1.5
    bench.give(Tick())
    assert bench.slice_of(0) is not None


def test_a_rest_that_news_ended_does_not_come_back() -> None:
    bench = Bench()
    bench.found(0, [A], [0])
    assert bench.slice_of(0) is None
    published = {"t": 0.5, "version": 2, "files": ["w"], "digest": "", "dataset": 0, "train": 0}
    bench.now = 0.5
    bench.controller.state.fold(Fact("model.published", published))
    bench.give(Tick())
    assert bench.slice_of(0) is not None
    bench.found(0, [B], [0], version=2, waiting=False, steps=3)
    assert bench.slice_of(0) is not None  # it moves on, though its first rest would last until 1 s


def test_an_explorer_that_found_nothing_rests_and_one_that_moved_does_not() -> None:
    bench = Bench()
    bench.found(0, [], [], waiting=False, steps=0)
    assert bench.slice_of(0) is None
    bench.found(1, [], [], waiting=False, steps=9)
    assert bench.slice_of(1) is not None


def test_an_explorer_that_rests_until_news_asks_for_no_tick() -> None:
    bench = Bench(rest=math.inf)
    bench.found(0, [A], [0])
    bench.found(1, [B], [0])
    assert bench.slice_of(0) is None
    assert bench.controller.next_deadline() is None


def test_what_waits_outlives_its_controller_but_its_walkers_do_not() -> None:
    bench = Bench()
    bench.found(0, [A, B], [3, 4], [0.5, 0.9])
    data, arrays = bench.controller.snapshot()
    again = Bench().controller
    again.requeue(json.loads(json.dumps(data)), arrays)
    waiting = again.asking.waiting()
    assert [(one.sample.id, one.score) for one in waiting] == [(B.id, 0.9), (A.id, 0.5)]
    assert waiting[0].sample.arrays["x"] == B.arrays["x"]
    assert {one[2:] for one in waiting} == {("uncertain", -1, -1, 1)}


def test_an_exhausted_explorer_is_still_told() -> None:
    bench = Bench(oracles=1, explorers=1)
    bench.found(0, [A], [0], exhausted=True)
    assert bench.slice_of(0) is None
    bench.label()
    assert bench.controller.phase == "running"
    assert bench.told(0) == [(0, A.id, True)]
    bench.found(0, [], [], exhausted=True)
    assert bench.controller.phase != "running"


def test_an_answer_for_an_exhausted_explorer_waits_for_its_worker() -> None:
    bench = Bench(oracles=1, explorers=1)
    bench.found(0, [A], [0], exhausted=True)
    bench.give(WorkerLost("e0", "explorer.0", "killed"))
    bench.label()
    bench.give(Tick())
    assert bench.controller.phase == "running"
    bench.give(WorkerJoined("e0", "explorer.0"))
    assert bench.told(0) == [(0, A.id, True)]


def test_scores_of_an_older_model_change_nothing() -> None:
    bench = Bench()
    bench.found(0, [A], [0])
    waiting = bench.controller.asking.waiting
    for version, left in ((0, 1), (1, 0)):
        bench.controller.training.chores["score-0"] = "score"
        result = {"version": version, "samples": [A.id], "scores": [0.01]}
        bench.give(TaskFinished("score-0", "t", result))
        assert len(waiting()) == left


def test_an_explorer_is_given_up_after_three_failures_in_a_row() -> None:
    bench = Bench()
    for wait in (1.0, 2.0, None):
        before = bench.now
        bench.give(TaskFailed(bench.slice_of(0).id, "e", Failure(Reason.RAISED, "NaN")))
        assert bench.slice_of(0) is None
        if wait is not None:
            bench.now = bench.controller.next_deadline()
            assert bench.now - before == wait
            bench.give(Tick())
    assert bench.controller.exploring.slots[0].dead == "NaN"
    bench.now += 100.0
    bench.give(Tick())
    assert bench.slice_of(0) is None
    assert bench.slice_of(1) is not None


def test_the_threshold_follows_the_scores_and_a_user_s_word() -> None:
    bench = Bench(limits=LimitRule(ask=0.0, quantile=0.5, at_least=4))
    bench.found(0, [A, B, C, D], [0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0])
    assert 1.9 < bench.controller.state.limits.ask < 2.1
    bench.give(Posted("m", "set", {"threshold": 0.7}))
    assert bench.controller.state.limits.ask == 0.7
    bench.found(1, [], [], scores=[])
    assert bench.controller.state.limits.ask == 0.7
    bench.give(Posted("n", "set", {"threshold": None}))
    assert 1.9 < bench.controller.state.limits.ask < 2.1


def test_a_trembling_quantile_is_not_followed_but_a_moving_one_is() -> None:
    bench = Bench(limits=LimitRule(quantile=0.5, at_least=4))
    seen = QuantileSketch.of(np.full(10, 2.0))
    bench.found(0, [], [], waiting=False, sketch=seen)
    first = bench.controller.state.limits
    seen = QuantileSketch.of(np.full(30, 2.03))
    bench.found(0, [], [], waiting=False, sketch=seen)
    assert bench.controller.state.limits is first
    seen = QuantileSketch.of(np.full(90, 3.0))
    bench.found(0, [], [], waiting=False, sketch=seen)
    assert 2.9 < bench.controller.state.limits.ask < 3.1


def test_initial_candidates_are_asked_for_once_in_all() -> None:
    harness = ControlHarness(plan(explorers=3, initial=10), 0, World(slice_seconds=5.0))
    while not facts("explored", harness.journal):
        harness.step()
    wanted = [
        command.task.payload["initial"]
        for _, _, commands in harness.steps
        for command in commands
        if isinstance(command, Submit) and command.task.kind == "explore"
    ]
    assert wanted[:3] == [4, 4, 2]
    assert sum(wanted) == 10


def test_only_as_many_explorers_as_needed_are_asked_for_initial_samples() -> None:
    harness = ControlHarness(plan(explorers=9, initial=2), 0)
    while len(harness.controller.exploring._tasks) < 2:
        harness.step()
    for _ in range(10):
        harness.step()
        assert len(harness.controller.exploring._tasks) <= 2


def test_initial_samples_that_were_all_asked_before_are_not_offered_without_rest() -> None:
    world = World(universe=3, slice_seconds=0.01, label_seconds=0.01, snapshots=0.0)
    harness = ControlHarness(plan(explorers=1, initial=10), 0, world)
    while not harness.controller.state.model.version and harness.now < 30:
        harness.step()
    slices = facts("explored", harness.journal)
    assert harness.controller.state.labels == 3
    assert 5 <= len(slices) < 30
    assert harness.now > 4.0  # seconds, most of them of rest


def test_a_first_model_learns_from_fewer_labels_where_no_more_can_be_asked() -> None:
    world = World(universe=3, slice_seconds=0.01, label_seconds=0.01, snapshots=0.0)
    harness = ControlHarness(plan(explorers=1, initial=10), 0, world)
    while harness.now < 30:
        harness.step()
    assert harness.controller.state.labels == 3
    assert harness.controller.state.model.version > 0
