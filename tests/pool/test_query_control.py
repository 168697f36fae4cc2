"""The controller of a query alone: whatever happens in whatever order, each row is scanned once."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.control.desk import Desk
from querist.core.answers import Failure, Reason
from querist.core.events import (
    Acknowledge,
    Cancel,
    Durable,
    Finish,
    Interrupted,
    Posted,
    Record,
    Submit,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    WorkerLost,
)
from querist.pool.query_control import PILOT, PROBE, QueryController, QueryPlan
from querist.pool.query_state import CHUNK, QueryState, Range


def controller(count: int = 1000, state: QueryState | None = None, **more) -> QueryController:
    plan = {"parts": (("candidates", count),), "workers": ("scan.0", "scan.1"), "chunk": 64, **more}
    return QueryController(QueryPlan(**plan), state or QueryState(), Desk(epoch=0))


def told(rows, failed: int = 0, **more) -> dict:
    _, start, stop = rows
    counts = {"scored": stop - start - failed, "failed": failed}
    failures = [[start + n, "broken", "why"] for n in range(failed)]
    return {"counts": counts, "failures": failures, "seconds": {"infer": 1.0}, **more}


def finished(task, **more) -> TaskFinished:
    if task.kind == "select":
        return TaskFinished(task.id, "w", {"count": 3, "arrays": {"rows": np.arange(3)}})
    return TaskFinished(task.id, "w", told(task.payload["rows"], **more))


def failed(task, reason=Reason.RAISED, transient: bool = True) -> TaskFailed:
    return TaskFailed(task.id, "w", Failure(reason, "it went wrong", transient=transient))


class World:
    """Carries out commands; tasks wait until a test lets something become of them."""

    def __init__(self, made: QueryController) -> None:
        self.made, self.tasks, self.facts, self.end = made, [], [], None
        self.cancelled: list[str] = []
        self.take(made.begin(0.0, {}))

    def take(self, commands) -> None:
        for command in commands:
            if isinstance(command, Submit):
                self.tasks.append(command.task)
            elif isinstance(command, Record):
                self.facts.append(command.fact)
            elif isinstance(command, Finish):
                self.end = command
            elif isinstance(command, Cancel):
                self.cancelled.append(command.task)
            else:
                assert isinstance(command, Acknowledge)

    def tell(self, event) -> None:
        self.take(self.made.handle(event, 1.0))

    def finish_all(self) -> None:
        while self.tasks and self.end is None:
            self.tell(finished(self.tasks.pop(0)))
            self.tell(Durable(self.made.desk.seq))

    def scanned(self) -> list[int]:
        chunks = [fact.data for fact in self.facts if fact.kind == CHUNK]
        return [row for data in chunks for row in range(data["start"], data["stop"])]


def test_the_first_chunk_goes_alone_and_tells_the_sizes() -> None:
    world = World(controller(5000, chunk=None))
    [first] = world.tasks
    pilot = PROBE + PILOT
    coming = ("candidates", PROBE, pilot)  # is read meanwhile
    assert first.payload == {"rows": ("candidates", 0, PROBE), "ahead": coming, "batch": None}
    world.tell(finished(world.tasks.pop(), chunk=4000, batch=16))
    [second] = world.tasks
    assert second.payload == {"rows": coming, "ahead": None, "batch": None}
    world.tell(finished(world.tasks.pop(), chunk=500, batch=32))
    assert world.tasks[0].payload["rows"][1:] == (pilot, pilot + 500)
    assert {task.payload["batch"] for task in world.tasks} == {32}
    world.tell(finished(world.tasks.pop(0), chunk=7, batch=8))
    assert world.made.state.chunk == 500
    assert world.made.state.batch == 32


def test_a_slow_model_is_tried_on_few_items() -> None:
    world = World(controller(5000, chunk=None))
    world.tell(finished(world.tasks.pop(), chunk=8))
    [second] = world.tasks
    assert second.payload["rows"][1:] == (PROBE, PROBE + 16)
    world.tell(finished(world.tasks.pop(), chunk=8, batch=16))
    assert world.tasks[0].payload["rows"][1:] == (PROBE + 16, PROBE + 24)


def test_a_worker_is_told_what_it_gets_next() -> None:
    world = World(controller())
    world.tell(finished(world.tasks.pop(0)))
    by_worker: dict[str, list] = {}
    for _ in range(6):
        task = world.tasks.pop(0)
        by_worker.setdefault(task.pool, []).append(task.payload)
        world.tell(finished(task))
    for payloads in by_worker.values():
        for before, after in pairwise(payloads):
            assert before["ahead"] == after["rows"]


def test_it_selects_only_what_is_durable() -> None:
    world = World(controller(10))
    world.tell(finished(world.tasks.pop()))
    assert world.tasks == []
    world.tell(Durable(world.made.desk.seq))
    assert [task.kind for task in world.tasks] == ["select"]
    world.tell(finished(world.tasks.pop()))
    assert (world.end.status, world.facts[-1].data["reason"]) == ("finished", "3 items were picked")


def test_a_resumed_query_scans_the_gaps() -> None:
    state = QueryState()
    for start, stop in ((0, 64), (128, 192)):
        state.fold(CHUNK, {"part": "candidates", "start": start, "stop": stop, "chunk": 64,
                           **told(("candidates", start, stop))})  # fmt: skip
    world = World(controller(256, state))
    world.finish_all()
    assert sorted(world.scanned()) == [*range(64, 128), *range(192, 256)]
    assert world.end.status == "finished"


def test_a_query_that_picked_but_died_only_says_so() -> None:
    state = QueryState(picked=3)
    world = World(controller(256, state))
    assert world.tasks == []
    assert world.end.status == "finished"


def test_too_many_broken_items_end_it() -> None:
    world = World(controller(1000, abort_share=0.1))
    world.tell(finished(world.tasks.pop(0), failed=7))
    assert world.end.status == "failed"
    assert "7 of the first 64 items are broken, more than the 10%" in world.end.reason


def test_a_few_items_are_judged_at_their_end() -> None:
    world = World(controller(6, abort_share=0.4, chunk=3))
    world.tell(finished(world.tasks.pop(0), failed=3))
    assert world.end is None
    world.tell(finished(world.tasks.pop(0)))
    assert world.end.status == "failed"


def test_a_chunk_is_tried_three_times() -> None:
    world = World(controller(10))
    for _ in range(2):
        world.tell(failed(world.tasks.pop()))
        assert world.end is None
    world.tell(failed(world.tasks.pop()))
    assert world.end.reason == "it went wrong (tried 3 times)"


def test_a_lasting_failure_ends_it_at_once() -> None:
    world = World(controller(10))
    world.tell(failed(world.tasks.pop(), transient=False))
    assert world.end.reason == "it went wrong"


def test_what_ends_workers_is_found_by_halving() -> None:
    world = World(controller(16, chunk=16, workers=("scan.0",)))
    deaths = 0
    while world.tasks and world.end is None:
        task = world.tasks.pop(0)
        world.tell(TaskStarted(task.id, "w"))
        if task.kind == "scan" and task.payload["rows"][1] <= 11 < task.payload["rows"][2]:
            assert task.payload["ahead"] is None or deaths == 0
            world.tell(failed(task, Reason.WORKER_LOST))
            deaths += 1
        else:
            world.tell(finished(task))
        world.tell(Durable(world.made.desk.seq))
    assert sorted(world.scanned()) == list(range(16))
    assert world.made.state.failed == 1
    fatal = [fact.data["failures"] for fact in world.facts if fact.data.get("failures")]
    assert fatal == [[[11, "fatal", "It ended the worker: it went wrong"]]]
    assert deaths == 6


def test_a_task_that_only_waited_in_a_lost_worker_is_not_blamed() -> None:
    world = World(controller(10))
    for _ in range(5):
        world.tell(failed(world.tasks.pop(), Reason.WORKER_LOST))
    world.finish_all()
    assert world.end.status == "finished"


def test_the_rest_is_done_by_workers_that_are_left() -> None:
    world = World(controller())
    world.tell(finished(world.tasks.pop(0)))
    world.tell(WorkerLost("scan.1-0", "scan.1", "gone", final=True))
    for task in [task for task in world.tasks if task.pool == "scan.1"]:
        world.tasks.remove(task)
        world.tell(failed(task, Reason.WORKER_LOST, transient=False))
    assert {task.pool for task in world.tasks} == {"scan.0"}
    world.finish_all()
    assert sorted(world.scanned()) == list(range(1000))
    assert world.end.status == "finished"


def test_without_workers_it_fails() -> None:
    world = World(controller())
    world.tell(WorkerLost("scan.0-0", "scan.0", "gone", final=True))
    assert world.end is None
    world.tell(WorkerLost("scan.1-0", "scan.1", "first\nthe last line", final=True))
    assert world.end.reason == "no worker is left: the last line"


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (Posted("1", "stop", {"reason": "enough"}), "cancelled"),
        (Interrupted("Ctrl-C"), "stopped"),
    ],
)
def test_it_ends_when_told_to(event, status: str) -> None:
    world = World(controller())
    open_tasks = [task.id for task in world.tasks]
    world.tell(event)
    assert world.end.status == status
    assert world.cancelled == open_tasks
    assert ("query.ended" in {fact.kind for fact in world.facts}) == (status == "cancelled")
    world.tell(finished(world.tasks.pop()))
    assert len([fact for fact in world.facts if fact.kind == CHUNK]) == 0


def test_parts_come_one_after_the_other() -> None:
    plan = (("labelled", 100), ("candidates", 100))
    world = World(controller(parts=plan))
    order = []
    while world.tasks and world.end is None:
        task = world.tasks.pop()  # the newest first
        order.append(task.payload["rows"][0] if task.kind == "scan" else "select")
        world.tell(finished(task))
        world.tell(Durable(world.made.desk.seq))
    assert order == ["labelled", "labelled", "candidates", "candidates", "select"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 200), st.integers(0, 2**32))
def test_each_row_is_scanned_once_whatever_happens(count: int, chunk: int, seed: int) -> None:
    draw = Random(seed)
    world = World(controller(count, chunk=chunk, attempts=10**6))
    for _ in range(20_000):
        if world.end is not None:
            break
        if not world.tasks:
            world.tell(Durable(world.made.desk.seq))
            continue
        task = world.tasks.pop(draw.randrange(len(world.tasks)))
        if draw.randrange(6):
            world.tell(finished(task))
        else:
            world.tell(failed(task))
    assert world.end.status == "finished"
    assert sorted(world.scanned()) == list(range(count))


@given(st.sets(st.integers(0, 30)), st.integers(1, 31))
def test_gaps_are_what_is_not_done(done: set[int], count: int) -> None:
    state = QueryState(done={"candidates": {n: n + 1 for n in done if n < count}})
    gaps = state.gaps("candidates", count)
    rows = [row for gap in gaps for row in range(gap.start, gap.stop)]
    assert rows == [row for row in range(count) if row not in done]
    assert all(isinstance(gap, Range) and gap.size > 0 for gap in gaps)
