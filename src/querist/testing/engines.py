"""The contract of an engine, as checks that any implementation must pass.

Put every implementation in the parameter list::

    @pytest.mark.parametrize("check", ENGINE_CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_contract(check, case):
        check(case)
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Reason
from querist.core.errors import RunError
from querist.core.events import (
    Event,
    RoleChanged,
    TaskFailed,
    TaskFinished,
    TaskProgress,
    TaskStarted,
    WorkerJoined,
    WorkerLost,
)
from querist.core.roles import Engine
from querist.core.tasks import PoolSpec, Task
from querist.engines import SupportsMove
from querist.testing.fakes import pool

_PATIENCE = 30.0  # seconds of real time after which a check gives up


@dataclass(frozen=True, slots=True)
class EngineCase:
    """One implementation under test; its tasks must run the handlers of their pools.

    Attributes:
        name: For the test's id.
        make: Makes the engine, with ``start_at`` seconds of campaign time gone.
        virtual: Whether its clock stands still between two calls.
    """

    name: str
    make: Callable[[float], Engine]
    virtual: bool = False


class Watched:
    """An engine with the events that it gave, for tests; closes it at the end of a ``with``.

    Args:
        engine: A new engine.
        pools: To start at once.
    """

    def __init__(self, engine: Engine, pools: Sequence[PoolSpec]) -> None:
        self.engine = engine
        self.events: list[Event] = []
        self.count = 0
        engine.start(pools)

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.close()

    def submit(
        self, payload: Mapping[str, Any] | None = None, pool: str = "work", owner: str = ""
    ) -> str:
        """Submit a task; its id."""
        name = f"task-{self.count}"
        self.count += 1
        self.engine.submit(Task(name, "work", pool, payload or {}, owner=owner))
        return name

    def until(self, good: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Take events until something holds.

        Raises:
            AssertionError: If it does not within ``patience`` seconds.
        """
        end = time.monotonic() + patience
        while not good():
            assert time.monotonic() < end, f"gave up; the events were {self.events[-20:]}"
            self.events += self.engine.events(0.5)

    def of(self, kind: type[Any], task: str | None = None) -> list[Any]:
        """The events of one kind so far, of one task or of all."""
        found = [event for event in self.events if isinstance(event, kind)]
        return found if task is None else [event for event in found if event.task == task]

    def joined(self, count: int) -> None:
        """Wait until ``count`` workers joined."""
        self.until(lambda: len(self.of(WorkerJoined)) >= count)

    def ended(self, *tasks: str) -> None:
        """Wait until these tasks have ended, well or not."""
        ends = (TaskFinished, TaskFailed)
        self.until(lambda: set(tasks) <= {e.task for e in self.events if isinstance(e, ends)})

    def result(self, task: str) -> Any:
        """Wait for a task; its result."""
        self.ended(task)
        failures = self.of(TaskFailed, task)
        assert not failures, f"{task} failed: {failures[0].failure}"
        (event,) = self.of(TaskFinished, task)
        return event.result

    def failure(self, task: str) -> Any:
        """Wait for a task; its failure."""
        self.ended(task)
        assert not self.of(TaskFinished, task), f"{task} was to fail, and did not"
        (event,) = self.of(TaskFailed, task)
        return event.failure


def workers_join_and_are_named(case: EngineCase) -> None:
    """Each worker joins once, under a name of its own, in its pool."""
    with Watched(case.make(0.0), [pool("one", count=2), pool("two")]) as watched:
        watched.joined(3)
        assert len({event.worker for event in watched.of(WorkerJoined)}) == 3
        assert sorted(event.pool for event in watched.of(WorkerJoined)) == ["one", "one", "two"]


def a_task_runs_once_and_tells_when(case: EngineCase) -> None:
    """Started, then finished, with ordered spans, the worker's name, owner and result."""
    with Watched(case.make(100.0), [pool(count=2)]) as watched:
        name = watched.submit({"number": 7}, owner="me")
        assert watched.result(name) == {"number": 7}
        (started,), (finished,) = watched.of(TaskStarted, name), watched.of(TaskFinished, name)
        assert watched.events.index(started) < watched.events.index(finished)
        assert started.worker == finished.worker
        assert started.worker in {event.worker for event in watched.of(WorkerJoined)}
        assert started.owner == finished.owner == "me"
        spans = finished.spans
        assert 100.0 <= spans.submitted <= spans.started <= spans.finished <= spans.received
        assert spans.received <= watched.engine.now() < 100.0 + _PATIENCE
        assert spans.cpu >= 0


def all_tasks_end_exactly_once(case: EngineCase) -> None:
    """Many tasks in several pools, good and bad ones, submitted before the workers are ready."""
    pools = [pool("good", count=2), pool("bad", "FailingHandler", count=2)]
    with Watched(case.make(0.0), pools) as watched:
        good = [watched.submit({"index": index}, "good") for index in range(60)]
        bad = [watched.submit({"raise": "ValueError"}, "bad") for _ in range(20)]
        watched.ended(*good, *bad)
        assert sorted(e.task for e in watched.of(TaskFinished)) == sorted(good)
        assert sorted(e.task for e in watched.of(TaskFailed)) == sorted(bad)
        assert [watched.result(name)["index"] for name in good] == list(range(60))


def exceptions_become_failures(case: EngineCase) -> None:
    """With reason, message and traceback; the worker goes on."""
    with Watched(case.make(0.0), [pool(handler="FailingHandler")]) as watched:
        raised = watched.failure(watched.submit({"raise": "ValueError", "message": "not so"}))
        assert raised.reason == Reason.RAISED
        assert raised.message == "ValueError: not so"
        assert "Traceback" in raised.traceback
        assert "fakes.py" in raised.traceback
        memory = watched.failure(watched.submit({"raise": "MemoryError"}))
        assert memory.reason == Reason.MEMORY
        left = watched.failure(watched.submit({"raise": "SystemExit"}))
        assert left.reason == Reason.RAISED
        wrong = watched.failure(watched.submit({"return": 5}))
        assert wrong.reason == Reason.WRONG_SHAPE
        assert "int" in wrong.message
        assert watched.result(watched.submit()) == {}
        assert not watched.of(WorkerLost)


def progress_comes_in_order(case: EngineCase) -> None:
    """Partial results come between the start of their task and its end."""
    with Watched(case.make(0.0), [pool(handler="ProgressHandler")]) as watched:
        name = watched.submit({"steps": 5}, owner="me")
        assert watched.result(name) == {"steps": 5}
        own = [e for e in watched.events if getattr(e, "task", None) == name]
        assert [type(event) for event in own] == [TaskStarted, *[TaskProgress] * 5, TaskFinished]
        assert [e.data["step"] for e in own if isinstance(e, TaskProgress)] == list(range(5))
        assert {e.owner for e in own if isinstance(e, TaskProgress)} == {"me"}


def arrays_travel_unchanged(case: EngineCase) -> None:
    """Dtype, shape, order and content, small and large; the receiver may write."""
    arrays = {
        "small": np.arange(6, dtype=np.int16).reshape(2, 3),
        "large": np.arange(300_000.0).reshape(100, 3, 1000),
        "fortran": np.asfortranarray(np.arange(100_000.0).reshape(100, 1000)),
        "strided": np.arange(100_000.0)[::3],
        "empty": np.zeros((0, 3)),
        "text": np.array(["a", "bcd"]),
    }
    with Watched(case.make(0.0), [pool()]) as watched:
        result = watched.result(watched.submit(arrays))
        for name, array in arrays.items():
            assert result[name].dtype == array.dtype
            np.testing.assert_array_equal(result[name], array)
            assert result[name].flags.aligned
            assert result[name].flags.writeable


def unknown_pools_and_double_tasks_are_refused(case: EngineCase) -> None:
    """With sentences that help."""
    with Watched(case.make(0.0), [pool("oracle")]) as watched:
        message = refused(lambda: watched.submit(pool="oracel"))
        assert "oracel" in message
        assert "'oracle'" in message
        watched.engine.submit(Task("same", "work", "oracle"))
        assert "same" in refused(lambda: watched.engine.submit(Task("same", "work", "oracle")))
        assert "oracle" in refused(lambda: watched.engine.start([pool("oracle")]))
        assert "weight" in refused(lambda: watched.engine.share("me", 0.0))
        watched.ended("same")
        watched.engine.submit(Task("same", "work", "oracle", attempt=2))  # it has ended
        watched.until(lambda: len(watched.of(TaskFinished, "same")) == 2)


def cancelled_tasks_that_wait_never_run(case: EngineCase) -> None:
    """They fail as cancelled, saying why; the others are not disturbed."""
    with Watched(case.make(0.0), [pool(handler="SleepHandler")]) as watched:
        names = [watched.submit({"seconds": 0.05}) for _ in range(8)]
        for name in names[4:]:
            watched.engine.cancel(name, "nobody wants it")
        watched.engine.cancel("never heard of", "no matter")
        watched.ended(*names)
        for name in names[4:]:
            failure = watched.failure(name)
            assert failure.reason == Reason.CANCELLED
            assert "nobody wants it" in failure.message
            assert not watched.of(TaskStarted, name)
        assert [watched.result(name)["stopped"] for name in names[:4]] == [False] * 4
        watched.engine.cancel(names[0], "it has ended")
        assert not watched.of(WorkerLost)


def weights_share_a_pool(case: EngineCase) -> None:
    """Owners get turns by weight, however much each has submitted."""
    with Watched(case.make(0.0), [pool(count=1, depth=1)]) as watched:
        watched.engine.share("big", 3.0)
        watched.joined(1)
        many = [watched.submit(owner="small") for _ in range(60)]
        few = [watched.submit(owner="big") for _ in range(30)]
        watched.ended(*many, *few)
        order = [event.owner for event in watched.of(TaskFinished)]
        assert 19 <= order[:32].count("big") <= 27  # three of four, after the first few
        assert order[60:].count("big") == 0


def each_worker_has_its_own_context(case: EngineCase) -> None:
    """Name, number, scratch folder and randomness of its own."""
    with Watched(case.make(0.0), [pool(handler="ContextHandler", count=2, depth=0)]) as watched:
        watched.joined(2)
        told: dict[str, Any] = {}
        while len(told) < 2:
            for name in [watched.submit() for _ in range(2)]:
                result = watched.result(name)
                told.setdefault(result["name"], result)
        first, second = told.values()
        assert {first["index"], second["index"]} == {0, 1}
        assert first["random"] != second["random"]
        assert first["scratch"] != second["scratch"]
        for result in (first, second):
            assert result["same"]
            assert result["threads"] >= 1
            assert result["device"] == "cpu"
            assert Path(result["scratch"]).is_dir()
            assert result["run"] == "None"


def handlers_that_do_not_open_are_reported(case: EngineCase) -> None:
    """A pool without workers fails its tasks with the cause, at once and later; others go on."""
    pools = [pool("broken", "BrokenHandler"), pool("missing", "NoSuchHandler"), pool("good")]
    with Watched(case.make(0.0), pools) as watched:
        for name, cause in (("broken", "on purpose"), ("missing", "NoSuchHandler")):
            for _ in range(2):
                failure = watched.failure(watched.submit(pool=name))
                assert cause in failure.message
                assert "Traceback" in failure.traceback
        assert watched.result(watched.submit({"a": 1}, "good")) == {"a": 1}


def workers_change_their_pool(case: EngineCase) -> None:
    """A worker ends its task, and then serves another pool, where the engine knows how."""
    engine = case.make(0.0)
    with Watched(engine, [pool("slow", "SleepHandler", count=2)]) as watched:
        if not isinstance(engine, SupportsMove):
            return
        engine.start([pool("other", count=0)])
        watched.joined(2)
        tasks = [watched.submit({"seconds": 0.2}, "slow") for _ in range(4)]
        watched.until(lambda: len(watched.of(TaskStarted)) == 2)
        assert engine.move("slow", "other")
        assert watched.result(watched.submit({"here": 1}, "other")) == {"here": 1}
        for task in tasks:  # also those that waited in the worker that moved
            assert not watched.result(task)["stopped"]
        ((worker, target),) = [(e.worker, e.pool) for e in watched.of(RoleChanged)]
        assert (worker.startswith("slow-"), target) == (True, "other")
        assert [e.worker for e in watched.of(WorkerJoined)][2:] == ["other-0"]
        assert engine.move("other", "slow")  # and back, under a new name
        watched.joined(4)
        assert watched.of(WorkerJoined)[3].worker == "slow-2"
        assert not engine.move("other", "slow")  # nobody is left there
        assert not watched.of(WorkerLost)
        assert "nowhere" in refused(lambda: engine.move("slow", "nowhere"))


def waiting_ends_in_time(case: EngineCase) -> None:
    """``events`` returns at once with 0, and from ``wake`` of another thread."""
    with Watched(case.make(0.0), [pool()]) as watched:
        watched.joined(1)
        assert watched.engine.events(0.0) == []
        before = watched.engine.now()
        assert watched.engine.events(0.02) == []
        assert watched.engine.now() >= before + 0.02
        if case.virtual:
            watched.engine.wake()
        else:
            threading.Timer(0.05, watched.engine.wake).start()
        assert watched.engine.events(None) == []


def time_continues(case: EngineCase) -> None:
    """``now`` begins where it was told to, never goes back, and handlers have the same time."""
    with Watched(case.make(5000.0), [pool(handler="ContextHandler")]) as watched:
        times = [watched.engine.now()]
        for _ in range(5):
            times.append(watched.result(watched.submit())["now"])
            times.append(watched.engine.now())
        assert times == sorted(times)
        assert 5000.0 <= times[0] <= times[-1] < 5000.0 + _PATIENCE


def closing_is_final(case: EngineCase) -> None:
    """Handlers are closed, twice is once, and nothing is accepted or waited for afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        _close_and_look(case, Path(folder))


def _close_and_look(case: EngineCase, folder: Path) -> None:
    notes = pool(handler="ContextHandler", options={"notes": str(folder)}, count=2)
    with Watched(case.make(0.0), [notes]) as watched:
        watched.joined(2)
        scratch = watched.result(watched.submit())["scratch"]
        watched.engine.close(grace=5.0)
        watched.engine.close()
        opened = {path.stem for path in folder.glob("*.opened")}
        assert opened
        assert {path.stem for path in folder.glob("*.closed")} == opened
        assert not Path(scratch).exists()
        assert "closed" in refused(lambda: watched.submit())
        assert "closed" in refused(lambda: watched.engine.start([pool("more")]))
        watched.engine.wake()
        watched.engine.events(None)
        assert watched.engine.events(None) == []


def refused(action: Callable[[], object]) -> str:
    """Do something that must raise RunError; its sentence.

    Raises:
        AssertionError: If it does not.
    """
    try:
        action()
    except RunError as error:
        return str(error)
    raise AssertionError("this should have been refused with RunError")


ENGINE_CHECKS: tuple[Callable[[EngineCase], None], ...] = (
    workers_join_and_are_named,
    a_task_runs_once_and_tells_when,
    all_tasks_end_exactly_once,
    exceptions_become_failures,
    progress_comes_in_order,
    arrays_travel_unchanged,
    unknown_pools_and_double_tasks_are_refused,
    cancelled_tasks_that_wait_never_run,
    weights_share_a_pool,
    each_worker_has_its_own_context,
    handlers_that_do_not_open_are_reported,
    workers_change_their_pool,
    waiting_ends_in_time,
    time_continues,
    closing_is_final,
)
