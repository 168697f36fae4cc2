"""Virtual time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.answers import Failure, Reason
from querist.core.errors import ConfigError, RunError
from querist.core.events import (
    Event,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    WorkerJoined,
    WorkerLost,
)
from querist.core.tasks import Task
from querist.engines.durations import Constant, Exponential, Uniform
from querist.engines.simulated import Kind, Losses, Simulated
from querist.testing.fakes import pool


def nothing(task: Task, rng: np.random.Generator) -> dict[str, int]:
    return {}


def task(number: int, kind: str = "work", owner: str = "") -> Task:
    return Task(str(number), kind, "work", owner=owner)


def run(engine: Simulated, until: float) -> list[tuple[float, Event]]:
    log = []
    while engine.now() < until:
        log += [(engine.now(), event) for event in engine.events(until - engine.now())]
    return log


def ends(log: list[tuple[float, Event]]) -> list[str]:
    return [e.task for _, e in log if isinstance(e, TaskFinished | TaskFailed)]


def test_equal_tasks_take_as_long_as_they_should() -> None:
    engine = Simulated({"work": Kind(Constant(1.0), nothing)}, start_at=50.0)
    engine.start([pool(count=10)])
    for number in range(95):
        engine.submit(task(number))
    log = run(engine, 70.0)
    finished = [(now, e) for now, e in log if isinstance(e, TaskFinished)]
    assert [now for now, _ in finished] == [51.0 + n // 10 for n in range(95)]
    assert all(e.spans.seconds == e.spans.cpu == 1.0 for _, e in finished)
    assert all(e.spans.received == now and e.spans.submitted == 50.0 for now, e in finished)
    assert engine.now() == 70.0


def stream(seed: int) -> list[tuple[float, Event]]:
    kinds = {
        "work": Kind(Uniform(1, 3), lambda task, rng: {"x": float(rng.random())}, 0.1),
        "*": Kind(lambda task, rng: float(rng.exponential(2.0)), nothing),
    }
    engine = Simulated(kinds, seed=seed, losses=Losses(20.0, 1.5))
    engine.start([pool(count=5)])
    for number in range(200):
        engine.submit(task(number, ("work", "other")[number % 2], "ab"[number % 3 > 0]))
    engine.share("a", 2.0)
    return run(engine, 200.0)


def test_the_seed_decides_everything() -> None:
    first, again, other = (list(map(repr, stream(seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_failures_come_at_their_rate() -> None:
    failure = Failure(Reason.NOT_FINITE, "no number")
    engine = Simulated({"work": Kind(Constant(1.0), nothing, 0.3, failure)})
    engine.start([pool(count=100)])
    for number in range(2000):
        engine.submit(task(number))
    failed = [e for _, e in run(engine, 21.0) if isinstance(e, TaskFailed)]
    assert all(e.failure is failure and e.spans.seconds == 1.0 for e in failed)
    assert 500 < len(failed) < 700


def test_a_result_may_be_a_failure() -> None:
    failure = Failure(Reason.REJECTED, "not converged")
    engine = Simulated({"work": Kind(Constant(1.0), lambda task, rng: failure)})
    engine.start([pool()])
    engine.submit(task(0))
    assert any(getattr(event, "failure", None) is failure for _, event in run(engine, 2.0))


def test_workers_are_lost_at_their_rate_and_come_back() -> None:
    engine = Simulated({"work": Kind(Constant(0.5), nothing)}, losses=Losses(10.0, 0.0))
    engine.start([pool(count=50)])
    for number in range(5000):
        engine.submit(task(number))
    log = run(engine, 40.0)
    lost = [event for _, event in log if isinstance(event, WorkerLost)]
    failed = [event for _, event in log if isinstance(event, TaskFailed)]
    assert 140 < len(lost) < 260  # 50 workers, 40 seconds, one loss in 10 seconds each
    assert not any(event.final for event in lost)
    assert sum(isinstance(event, WorkerJoined) for _, event in log) == 50 + len(lost)
    assert all(event.failure.reason == Reason.WORKER_LOST for event in failed)
    assert 0 < len(failed) <= len(lost)
    assert len(ends(log)) == len(set(ends(log)))


def test_without_replacement_all_tasks_fail_in_the_end() -> None:
    engine = Simulated({"work": Kind(Constant(5.0), nothing)}, losses=Losses(1.0, None))
    engine.start([pool(count=3)])
    for number in range(20):
        engine.submit(task(number))
    log = run(engine, 100.0)
    assert [event.final for _, event in log if isinstance(event, WorkerLost)] == [True] * 3
    assert sorted(ends(log)) == sorted(map(str, range(20)))
    engine.submit(task(99))
    (event,) = engine.events(0.0)
    assert isinstance(event, TaskFailed)
    assert "no workers left" in event.failure.message


def test_a_cancelled_task_ends_at_once_and_frees_its_worker() -> None:
    engine = Simulated({"work": Kind(Constant(10.0), nothing)})
    engine.start([pool()])
    engine.submit(task(0))
    engine.submit(task(1))
    run(engine, 4.0)
    engine.cancel("0", "enough")
    events = engine.events(0.0)
    assert [type(event) for event in events] == [TaskFailed, TaskStarted]
    log = run(engine, 30.0)
    assert [(now, e.task) for now, e in log if isinstance(e, TaskFinished)] == [(14.0, "1")]


def test_endless_waiting_is_an_error() -> None:
    engine = Simulated({"*": Kind(Constant(1.0), nothing)})
    engine.start([pool()])
    engine.events(None)
    with pytest.raises(RunError, match="cannot pass"):
        engine.events(None)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_durations_are_checked(seconds: float) -> None:
    engine = Simulated({"work": Kind(lambda task, rng: seconds, nothing)})
    engine.start([pool()])
    with pytest.raises(ConfigError, match="'work'"):
        engine.submit(task(0))


def test_an_unknown_kind_is_refused() -> None:
    engine = Simulated({"label": Kind(Constant(1.0), nothing)})
    engine.start([pool()])
    with pytest.raises(ConfigError, match=r"'work'.*'label'"):
        engine.submit(task(0))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("pass"), st.floats(0, 3)),
    ),
    max_size=60,
)


class Ledger:
    """What should be true of tasks, checked with every event."""

    def __init__(self, engine: Simulated, count: int) -> None:
        self.engine, self.count, self.last = engine, count, engine.now()
        self.waiting: set[str] = set()
        self.running: set[str] = set()

    def take(self, seconds: float) -> None:
        for event in self.engine.events(seconds):
            assert self.engine.now() >= self.last
            self.last = self.engine.now()
            if isinstance(event, TaskStarted):
                self.waiting.remove(event.task)
                self.running.add(event.task)
            elif isinstance(event, TaskFinished):
                self.running.remove(event.task)
            elif isinstance(event, TaskFailed):
                (self.running if event.task in self.running else self.waiting).remove(event.task)
            assert len(self.running) <= self.count

    def do(self, what: str, value: float) -> None:
        name = str(value)
        if what == "pass":
            self.take(value)
        elif what == "cancel":
            self.engine.cancel(name, "so")
        elif name not in self.waiting | self.running:
            self.waiting.add(name)
            self.engine.submit(task(int(value)))


@given(steps, st.integers(1, 4), st.sampled_from([math.inf, 4.0]), st.sampled_from([None, 0.5]))
def test_every_task_ends_once_whatever_happens(steps, count, mean, respawn) -> None:
    kinds = {"*": Kind(Exponential(1.0), nothing, 0.2)}
    engine = Simulated(kinds, losses=Losses(mean, respawn))
    engine.start([pool(count=count)])
    ledger = Ledger(engine, count)
    for what, value in steps:
        ledger.do(what, value)
    for _ in range(1000):
        ledger.take(1.0)
    assert not ledger.waiting | ledger.running


def test_what_a_task_takes_may_follow_from_its_outcome() -> None:
    def timed(task, outcome):
        return float(outcome["square"]), {**outcome, "told": True}

    kind = Kind(Constant(99.0), lambda task, rng: {"square": 16}, timed=timed)
    engine = Simulated({"work": kind})
    engine.start([pool(count=1)])
    engine.submit(task(0))
    [ended] = [event for _, event in run(engine, 20.0) if isinstance(event, TaskFinished)]
    assert ended.result == {"square": 16, "told": True}
    assert ended.spans.seconds == 16.0
