"""A small world in virtual time around a campaign's controller, which tries to trip it up.

Oracles fail, hang and stream, workers die, records become durable late, events come twice, late or
for tasks that never were, users post commands, and the controller's process dies at any instant
and resumes from what was durable. After every event :class:`~querist.testing.control_checks.Checks`
holds what a controller promises. It is independent of the engines.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from querist.control.controller import CampaignController
from querist.control.plan import Plan
from querist.control.state import CampaignState
from querist.core.answers import Failure, Reason
from querist.core.batch import Array
from querist.core.events import (
    Acknowledge,
    Cancel,
    Command,
    Durable,
    Event,
    Fact,
    Finish,
    Posted,
    Record,
    StoreBroken,
    Submit,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    Tick,
    WorkerJoined,
    WorkerLost,
)
from querist.core.tasks import Task
from querist.testing.control_checks import Checks
from querist.testing.control_work import Work, World
from querist.testing.traces import Step, record_trace, replay_trace

__all__ = ["ControlHarness", "Crash", "World", "record_trace", "replay_trace", "resumed"]

Happening = Callable[[], Event | None]


@dataclass(frozen=True, slots=True)
class Crash:
    """The controller's process dies here, and another one resumes."""


@dataclass(frozen=True, slots=True, eq=False)
class _Saved:
    """A snapshot, usable once all ``needs`` records that it may know of are durable."""

    folded: int
    needs: int
    data: str
    arrays: Mapping[str, Array]


@dataclass(slots=True, eq=False)
class _Live:
    """A task on the way."""

    task: Task
    started: float = 0.0
    ending: bool = False


class ControlHarness:
    """Runs one controller in a made-up world, and checks it at every event.

    Args:
        plan: The campaign's fixed part.
        seed: Of everything that is random here.
        world: How the world behaves.
        facts: What an earlier run recorded (imported labels, given weights).

    Attributes:
        controller: The controller that is alive now.
        journal: All facts recorded and not lost in a crash; the first has sequence number 1.
        durable: Sequence number up to which the controller was told that records are on disk.
        steps: Every event with its time and its commands, since the last begin.
        replica: Makes a controller that has not begun, as this one was before it began.
        header: What it began with.
        ended: How it ended.
    """

    def __init__(
        self,
        plan: Plan,
        seed: int = 0,
        world: World | None = None,
        facts: Sequence[Fact] = (),
    ) -> None:
        self.plan, self.world = plan, world or World()
        self.rng = np.random.default_rng(seed)
        self.work = Work(plan, self.world, self.rng)
        self.waiting: Mapping[tuple[int, int], str] = self.work.waiting
        self.journal = list(facts)
        self.durable = len(self.journal)
        self.checks = Checks(plan)
        self.now = 0.0
        self.ended: Finish | None = None
        self.steps: list[Step] = []
        self.live: dict[str, _Live] = {}
        self.inbox: dict[str, Posted] = {}
        self.outbox: dict[str, Posted] = {}
        self.crashes = self.events = self._starting = 0
        self._heap: list[tuple[float, int, bool, Happening]] = []
        self._count = 0
        self._saved: _Saved | None = None
        self._lost: set[str] = set()
        self._broken = False
        self._begin(resumed(plan, self.journal))

    # ------------------------------------------------------------------------------- the script

    def at(self, when: float, what: Event | Crash) -> None:
        """Let an event, or a crash, happen at an instant; a posted message survives crashes."""

        def happen() -> Event | None:
            if isinstance(what, Crash):
                self.crash()
                return None
            if isinstance(what, Posted):
                self.inbox[what.id] = what
            return what

        self._plan(when - self.now, happen, lasting=True)

    def lose_pool(self, when: float, pool: str, message: str = "the node failed") -> None:
        """Let all workers of a pool be lost for good."""

        def happen() -> None:
            self._lost.add(pool)
            for worker in self._workers_of(pool):
                self._later(WorkerLost(worker, pool, message, final=True))
            for live in self.live.values():
                if live.task.pool == pool:
                    self._end_soon(live, Failure(Reason.WORKER_LOST, message))

        self._plan(when - self.now, happen, lasting=True)

    # --------------------------------------------------------------------------------- running

    def run(self, limit: int = 20_000) -> Finish:
        """Run to the end.

        Raises:
            AssertionError: If a promise is broken, or nothing ends it within ``limit`` events.
        """
        while self.ended is None:
            assert self.events < limit, f"no end after {limit} events, at {self.now:.1f} s"
            self.step()
        self._after_the_end()
        return self.ended

    def step(self) -> None:
        """Let the next thing happen."""
        deadline = self.controller.next_deadline()
        if deadline is not None and (not self._heap or deadline < self._heap[0][0]):
            self.now = deadline
            self.handle(Tick())
            return
        assert self._heap, f"nothing will ever happen again, in phase {self.controller.phase!r}"
        when, _, _, happen = heapq.heappop(self._heap)
        self.now = max(self.now, when)
        event = happen()
        if event is not None and self.ended is None:
            self.handle(event)

    def handle(self, event: Event) -> None:
        """Give the controller an event, carry out its commands, and check."""
        self.events += 1
        if isinstance(event, Durable):
            self.durable = max(self.durable, event.seq)
        self._broken = self._broken or isinstance(event, StoreBroken)
        commands = self.controller.handle(event, self.now)
        self._carry_out(event, commands)
        self._make_noise(event)
        if self.ended is None and self.rng.random() < self.world.crash:
            self.crash()

    def _carry_out(self, event: Event | None, commands: Sequence[Command]) -> None:
        self.steps.append((event, self.now, tuple(commands)))
        for command in commands:
            self._command(command)
        self.checks.after(self, event, commands)
        if self.rng.random() < self.world.snapshots:
            self._snapshot()

    def _command(self, command: Command) -> None:
        if isinstance(command, Submit):
            self._submit(command.task)
        elif isinstance(command, Cancel):
            self._cancel(command)
        elif isinstance(command, Record):
            self._record(command)
        elif isinstance(command, Acknowledge):
            for box in (self.inbox, self.outbox):
                if command.id in box:
                    self.checks.acknowledged(box.pop(command.id), self)
        elif isinstance(command, Finish):
            self.ended = command

    def _after_the_end(self) -> None:
        """Whatever still comes changes nothing."""
        for live in list(self.live.values()):
            gone = Failure(Reason.CANCELLED, "the campaign is over")
            for event in (
                TaskStarted(live.task.id, "late"),
                TaskFailed(live.task.id, "late", gone),
            ):
                assert not self.controller.handle(event, self.now)
        assert not self.controller.handle(Tick(), self.now)
        assert not self.controller.handle(Durable(len(self.journal)), self.now)
        assert self.controller.next_deadline() is None

    # ------------------------------------------------------------------------------- the disk

    def _record(self, command: Record) -> None:
        self.journal.append(command.fact)
        assert command.seq == len(self.journal), "records are numbered in order"
        if not self._broken:
            seq = command.seq
            self._plan(self._delay(self.world.sync_seconds), lambda: Durable(seq))

    def _snapshot(self) -> None:
        data, arrays = self.controller.snapshot()
        needs = len(self.journal)
        self._saved = _Saved(self.controller.folded, needs, json.dumps(data), dict(arrays))

    # --------------------------------------------------------------------------------- crashes

    def crash(self) -> None:
        """The controller's process dies; another resumes from what is on the disk."""
        self.crashes += 1
        on_disk = int(self.rng.integers(self.durable, len(self.journal) + 1))
        del self.journal[on_disk:]
        self.durable = on_disk
        for live in self.live.values():
            if live.task.kind == "label" and not live.ending and self.rng.random() < 0.5:
                self._leave_in_outbox(live.task)  # its worker had outlived the controller
        self.live.clear()
        self._starting = 0
        self._heap = [entry for entry in self._heap if entry[2]]
        heapq.heapify(self._heap)
        self.work.restart()
        state = resumed(self.plan, self.journal)
        if self._saved is not None and self._saved.needs <= on_disk:
            state = self._from_snapshot(state)
        else:
            self._saved = None
        self._begin(state)

    def _from_snapshot(self, full: CampaignState) -> CampaignState:
        assert self._saved is not None
        state = CampaignState(self.plan)
        state.restore(json.loads(self._saved.data), self._saved.arrays)
        for fact in self.journal[self._saved.folded :]:
            state.fold(fact)
        self.checks.equal(state, full, "a snapshot and its tail")
        return state

    def _begin(self, state: CampaignState) -> None:
        facts = tuple(self.journal)
        saved = self._saved

        def make(state: CampaignState) -> CampaignController:
            controller = CampaignController(self.plan, state, len(facts))
            if saved is not None:
                controller.requeue(json.loads(saved.data), saved.arrays)
            return controller

        self.controller = make(state)
        self.replica = lambda: make(resumed(self.plan, facts))
        self.checks.begin(self.journal, self.durable)
        self.steps = []
        pools = {pool: len(self._workers_of(pool)) for pool in self._pools()}
        self.header: Mapping[str, Any] = {"engine": "harness", "pools": pools}
        commands = self.controller.begin(self.now, self.header)
        self._carry_out(None, commands)
        for pool in pools:
            for worker in self._workers_of(pool):
                self._join(0.005, worker, pool)
        for message in (*self.inbox.values(), *self.outbox.values()):
            self._later(message)

    def _pools(self) -> list[str]:
        oracles = [oracle.pool for oracle in self.plan.oracles if not oracle.outside]
        explorers = [f"explorer.{index}" for index in range(self.plan.explorers)]
        return [*oracles, *explorers, *(["trainer"] if self.plan.trainers else [])]

    def _workers_of(self, pool: str) -> list[str]:
        kind = pool.partition(".")[0]
        counts = {"oracle": self.world.oracle_workers, "trainer": self.plan.trainers}
        return [f"{pool}/{index}" for index in range(counts.get(kind, 1))]

    # ----------------------------------------------------------------------------------- tasks

    def _submit(self, task: Task) -> None:
        assert task.id not in self.live, f"task {task.id} was submitted twice"
        assert task.pool in self._pools(), f"task {task.id} is for a pool that is not there"
        live = self.live[task.id] = _Live(task)
        if task.pool in self._lost:
            self._end_soon(live, Failure(Reason.WORKER_LOST, "no worker is left"))
            return
        start = self._delay(0.01)
        self._plan(start, lambda: self._start(live))
        fate = self.work.fate(task)
        end = start + self._delay(self.work.seconds(task))
        if fate == "streams":
            for index in range(task.items):
                self._plan(
                    start + (end - start) * (index + 1) / (task.items + 1), self._part(live, index)
                )
        if fate == "dies":
            self._plan(end, lambda: self._die(live))
        elif fate == "fails":
            self._plan(end, lambda: self._fail(live, Failure(Reason.RAISED, "it raised")))
        elif fate != "hangs":
            self._plan(end, lambda: self._finish(live))

    def _start(self, live: _Live) -> Event | None:
        live.started = self.now
        return TaskStarted(live.task.id, "w") if live.task.id in self.live else None

    def _part(self, live: _Live, index: int) -> Happening:
        return lambda: self.work.part(live.task, index) if live.task.id in self.live else None

    def _finish(self, live: _Live) -> Event | None:
        if self.live.pop(live.task.id, None) is None:
            return None
        result = self.work.result(live.task)
        if result.get("outbox"):
            self.outbox.update(self.work.parcels(live.task, result))
        spans = self.work.spans(live.started, self.now)
        return TaskFinished(live.task.id, "w", result, spans)

    def _fail(self, live: _Live, failure: Failure) -> Event | None:
        if self.live.pop(live.task.id, None) is None:
            return None
        return TaskFailed(live.task.id, "w", failure, self.work.spans(live.started, self.now))

    def _die(self, live: _Live) -> Event | None:
        """The worker dies: its task and its loss are reported in either order."""
        if live.task.id not in self.live or live.task.pool in self._lost:
            return None
        pool, worker = live.task.pool, self._workers_of(live.task.pool)[0]
        self._later(WorkerLost(worker, pool, "killed by signal 9"))
        self._join(0.5, worker, pool)
        self._end_soon(live, Failure(Reason.WORKER_LOST, "killed by signal 9"))
        return None

    def _join(self, seconds: float, worker: str, pool: str) -> None:
        def join() -> Event | None:
            self._starting -= 1
            return None if pool in self._lost else WorkerJoined(worker, pool)

        self._starting += 1
        self._plan(self._delay(seconds) + seconds / 2, join)

    @property
    def is_waited_for(self) -> bool:
        """Whether a task is on the way, or a worker is starting or coming back."""
        return bool(self.live) or self._starting > 0

    def _cancel(self, command: Cancel) -> None:
        live = self.live.get(command.task)
        if live is None or live.ending:
            return
        if command.hard or self.rng.random() < 0.3:
            self._end_soon(live, Failure(Reason.CANCELLED, command.why))
        else:
            live.ending = True
            self._soon(lambda: self._finish(live))

    def _end_soon(self, live: _Live, failure: Failure) -> None:
        live.ending = True
        self._soon(lambda: self._fail(live, failure))

    def _leave_in_outbox(self, task: Task) -> None:
        if self.world.outbox:
            self.outbox.update(self.work.parcels(task, self.work.result(task)))

    # ----------------------------------------------------------------------------------- noise

    def _make_noise(self, event: Event) -> None:
        if self.rng.random() >= self.world.noise:
            return
        strange = TaskFailed("label-0-none", "w", Failure(Reason.RAISED, "of no task"))
        unknown = TaskFinished("fit-0-none", "w", {})
        late = Durable(max(0, self.durable - 3))
        posts = [*self.inbox.values(), *self.outbox.values()]
        choices: list[Event] = [
            event,
            strange,
            unknown,
            late,
            TaskStarted("x", "w"),
            Tick(),
            *posts,
        ]
        choice = choices[int(self.rng.integers(len(choices)))]
        if not isinstance(choice, WorkerLost | WorkerJoined):
            self._plan(self._delay(0.3), lambda: choice)

    # --------------------------------------------------------------------------------- planning

    def _plan(self, delay: float, happen: Happening, *, lasting: bool = False) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now + max(0.0, delay), self._count, lasting, happen))

    def _soon(self, happen: Happening) -> None:
        self._plan(self._delay(0.005), happen)

    def _later(self, event: Event) -> None:
        self._soon(lambda: event)

    def _delay(self, mean: float) -> float:
        return float(self.rng.exponential(mean)) if mean > 0 else 0.0


def resumed(plan: Plan, facts: Sequence[Fact]) -> CampaignState:
    """The state that facts add up to."""
    state = CampaignState(plan)
    for fact in facts:
        state.fold(fact)
    return state
