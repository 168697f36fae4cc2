"""Virtual time: the same controllers, thousands of workers, no waiting."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Failure, Reason
from querist.core.errors import ConfigError, RunError
from querist.core.events import (
    Event,
    TaskFailed,
    TaskFinished,
    TaskProgress,
    TaskStarted,
    WorkerJoined,
    WorkerLost,
)
from querist.core.roles import Handler, WorkerContext
from querist.core.tasks import PoolSpec, Spans, Task
from querist.engines.durations import Distribution, Stream, Uniform
from querist.engines.fair import FairQueue, checked_weight
from querist.engines.opening import (
    LocalContext,
    Site,
    check_pools,
    close_handler,
    failure_of,
    no_workers,
    open_handler,
    perform,
    pool_for,
    worker_name,
)

Outcome = Mapping[str, Any] | Failure
Duration = Distribution | Callable[[Task, np.random.Generator], float]
Result = Callable[[Task, np.random.Generator], Outcome]
Timed = Callable[[Task, Outcome], tuple[float, Outcome]]

_END, _LOSS, _RETURN = range(3)
_SIMULATED = Failure(Reason.RAISED, "simulated failure")
_NEVER = 1e300


@dataclass(frozen=True, slots=True)
class Kind:
    """How tasks of one kind behave.

    Attributes:
        duration: A distribution, or seconds as a function of task and randomness.
        result: Result or failure as a function of task and randomness; None runs the real handler
            of the task's pool (at the instant at which the task begins), so that only time is
            virtual.
        failure_rate: Share of tasks that fail instead.
        failure: How these fail.
        timed: Seconds and the outcome that says so, as a function of task and outcome; instead of
            ``duration``.
    """

    duration: Duration
    result: Result | None = None
    failure_rate: float = 0.0
    failure: Failure = _SIMULATED
    timed: Timed | None = None


@dataclass(frozen=True, slots=True)
class Losses:
    """How workers are lost, independently of each other and of what they do.

    Attributes:
        mean_seconds: Mean time until a worker is lost; infinite for never.
        respawn: Seconds until its replacement joins; None for no replacement.
    """

    mean_seconds: float = math.inf
    respawn: float | None = 1.0


NO_LOSSES = Losses()


@dataclass(slots=True, eq=False)
class _Worker:
    pool: _Pool
    name: str
    index: int
    life: int = 0
    place: int = 0  # in the engine's list of live workers
    alive: bool = True
    job: _Job | None = None
    handler: tuple[Handler, WorkerContext] | None = None


@dataclass(slots=True, eq=False)
class _Pool:
    spec: PoolSpec
    queue: FairQueue[_Job]
    idle: deque[_Worker] = field(default_factory=deque)
    workers: int = 0  # alive or coming back
    story: str = ""
    busy: float = 0.0  # seconds of tasks that ended


@dataclass(slots=True, eq=False)
class _Job:
    task: Task
    pool: _Pool
    behaviour: _Behaviour
    submitted: float
    started: float = 0.0
    worker: _Worker | None = None
    outcome: Outcome = _SIMULATED
    progress: list[Mapping[str, Any]] | None = None


class _Behaviour:
    """A kind with its own streams of randomness."""

    __slots__ = ("chances", "kind", "rng", "stream")

    def __init__(self, kind: Kind, seed: list[int]) -> None:
        self.kind = kind
        self.rng, durations, chances = (np.random.default_rng([*seed, part]) for part in range(3))
        plain = kind.duration
        self.stream = None if callable(plain) else Stream(plain, durations)
        self.chances = Stream(Uniform(0.0, 1.0), chances) if kind.failure_rate > 0 else None

    def seconds(self, task: Task) -> float:
        """How long this task takes."""
        if self.stream is not None:
            return self.stream.next()
        seconds = self.kind.duration(task, self.rng) if callable(self.kind.duration) else 0.0
        if not 0 <= seconds < math.inf:
            raise ConfigError(f"a task of kind {task.kind!r} was to take {seconds!r} seconds.")
        return seconds

    def fails(self) -> bool:
        """Whether the next task fails by the failure rate."""
        return self.chances is not None and self.chances.next() < self.kind.failure_rate


class Simulated:
    """Runs tasks in virtual time; the same seed and the same calls give the same events.

    The clock stands still except in :meth:`events`, which moves it to the next thing that
    happens, or by ``timeout`` where that is earlier. All that happens at one instant comes in one
    call. A cancelled task ends at once. A task costs a few microseconds here.

    Args:
        kinds: Behaviour by kind of task; "*" is for all others.
        seed: Of all randomness.
        losses: How workers are lost.
        start_at: Seconds of campaign time at which :meth:`now` begins.
        run: The run's folder, for real handlers.
        scratch: Folder for the folders of real handlers; None for a temporary one.

    Attributes:
        joining: Seconds until the next worker of a pool joins; None, as long as nobody sets it, for
            all at once.
    """

    virtual = True

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        *,
        seed: int = 0,
        losses: Losses = NO_LOSSES,
        start_at: float = 0.0,
        run: Path | None = None,
        scratch: Path | None = None,
    ) -> None:
        self._kinds = {
            name: _Behaviour(kinds[name], [seed, 1 + number])
            for number, name in enumerate(sorted(kinds))
        }
        self._losses = losses
        self.joining: Callable[[str], float] | None = None
        self._rng = np.random.default_rng([seed, 0])
        self._site = Site(run, scratch, seed)
        self._now = start_at
        self._pools: dict[str, _Pool] = {}
        self._weights: dict[str, float] = {}
        self._jobs: dict[str, _Job] = {}
        self._live: list[_Worker] = []
        self._future: list[tuple[float, int, int, Any]] = []
        self._number = 0
        self._draw = 0
        self._events: list[Event] = []
        self._woken = False
        self._closed = False

    def start(self, pools: Sequence[PoolSpec]) -> None:
        """Add workers; all join at once, unless ``joining`` says otherwise."""
        check_pools(pools, self._pools)
        self._refuse_closed()
        for spec in pools:
            pool = self._pools[spec.name] = _Pool(spec, FairQueue(self._weights))
            pool.workers = spec.count
            for index in range(spec.count):
                worker = _Worker(pool, worker_name(spec.name, index), index)
                if self.joining is None:
                    self._join(worker)
                else:
                    self._plan(self._now + self.joining(spec.name), _RETURN, worker)
        self._plan_loss()

    def share(self, owner: str, weight: float) -> None:
        """Give an owner this weight in every pool."""
        self._weights[owner] = checked_weight(owner, weight)

    def submit(self, task: Task) -> None:
        """Queue a task, or begin it where a worker is idle."""
        self._refuse_closed()
        pool = pool_for(task, self._pools, self._jobs)
        behaviour = self._kinds.get(task.kind) or self._kinds.get("*")
        if behaviour is None:
            raise ConfigError(
                f"no behaviour was given for tasks of kind {task.kind!r}; there are "
                f"{sorted(self._kinds)}, and '*' is for all others."
            )
        job = self._jobs[task.id] = _Job(task, pool, behaviour, self._now)
        worker = self._idle(pool) if pool.idle else None
        if worker is not None:
            self._begin(worker, job)
        elif pool.workers:
            pool.queue.push(task.owner, task.id, job)
        else:
            self._fail(job, no_workers(pool.spec.name, pool.story))

    def cancel(self, task: str, why: str, hard: bool = True) -> None:
        """End a task now; one that has ended is passed over."""
        del hard
        job = self._jobs.get(task)
        if job is None:
            return
        job.pool.queue.remove(job.task.owner, task)
        self._fail(job, Failure(Reason.CANCELLED, f"cancelled: {why}"))
        if job.worker is not None:
            self._free(job.worker)

    def events(self, timeout: float | None) -> list[Event]:
        """What happens next, and moves the clock there; empty when ``timeout`` passes first.

        Raises:
            RunError: If the wait has no end: nothing is to come, and there is no ``timeout``.
        """
        limit = _NEVER if timeout is None else self._now + timeout
        future = self._future
        while not self._events and not self._woken and not self._closed:
            if future and future[0][0] <= limit:
                self._step(future[0][0])
            elif timeout is None:
                raise RunError(
                    "simulated time cannot pass: no task runs, and the caller waits without limit."
                )
            else:
                self._now = max(self._now, limit)
                break
        self._woken = False
        events, self._events = self._events, []
        return events

    def wake(self) -> None:
        """Make the present or next call of :meth:`events` return without moving the clock."""
        self._woken = True

    def now(self) -> float:
        """Virtual seconds of campaign time."""
        return self._now

    def busy(self) -> dict[str, float]:
        """Seconds that each pool's workers spent on tasks that ended."""
        return {name: pool.busy for name, pool in self._pools.items()}

    def close(self, grace: float = 0.0) -> None:
        """Forget all that was to come."""
        del grace
        if self._closed:
            return
        self._closed = True
        self._future.clear()
        self._jobs.clear()
        try:
            for worker in self._live:
                if worker.handler is not None:
                    close_handler(worker.handler[0])
        finally:
            self._site.clear()

    def __enter__(self) -> Simulated:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise RunError("this engine was closed; make another one.")

    def _plan(self, when: float, action: int, what: Any) -> None:
        self._number += 1
        heappush(self._future, (when, self._number, action, what))

    def _step(self, instant: float) -> None:
        self._now = instant
        future = self._future
        while future and future[0][0] == instant:
            _, _, action, what = heappop(future)
            if action == _END:
                self._end(what)
            elif action == _RETURN:
                self._join(what)
                self._plan_loss()
            elif what == self._draw:
                self._lose(self._live[int(self._rng.integers(len(self._live)))])
                self._plan_loss()

    def _idle(self, pool: _Pool) -> _Worker | None:
        while pool.idle:
            worker = pool.idle.popleft()
            if worker.alive:
                return worker
        return None

    def _begin(self, worker: _Worker, job: _Job) -> None:
        task, behaviour = job.task, job.behaviour
        job.started, job.worker, worker.job = self._now, worker, job
        self._events.append(TaskStarted(task.id, worker.name, task.owner))
        seconds = behaviour.seconds(task)
        if behaviour.fails():
            job.outcome = behaviour.kind.failure
        elif behaviour.kind.result is not None:
            job.outcome = behaviour.kind.result(task, behaviour.rng)
        else:
            self._run_handler(worker, job)
        if behaviour.kind.timed is not None:
            seconds, job.outcome = behaviour.kind.timed(task, job.outcome)
        self._plan(self._now + seconds, _END, job)

    def _run_handler(self, worker: _Worker, job: _Job) -> None:
        if worker.handler is None:
            context = self._site.context(worker.pool.spec, worker.index, worker.life)
            try:
                worker.handler = open_handler(worker.pool.spec.handler, context), context
            # Isolation boundary: opening runs anyone's code.
            except (Exception, SystemExit) as error:  # noqa: BLE001
                job.outcome = failure_of(error)
                return
        handler, context = worker.handler
        job.progress = []
        local = LocalContext(context, self.now, job.progress.append)
        job.outcome = perform(handler, job.task, local)

    def _end(self, job: _Job) -> None:
        worker, task, outcome = job.worker, job.task, job.outcome
        if worker is None or worker.job is not job:  # cancelled, or its worker was lost
            return
        if job.progress:
            self._events += [TaskProgress(task.id, data, task.owner) for data in job.progress]
        if isinstance(outcome, Failure):
            self._fail(job, outcome)
        else:
            del self._jobs[task.id]
            spans = self._spans(job)
            self._events.append(TaskFinished(task.id, worker.name, outcome, spans, task.owner))
        self._free(worker)

    def _free(self, worker: _Worker) -> None:
        worker.job = None
        try:
            job = worker.pool.queue.pop()
        except IndexError:
            worker.pool.idle.append(worker)
        else:
            self._begin(worker, job)

    def _fail(self, job: _Job, failure: Failure) -> None:
        self._jobs.pop(job.task.id, None)
        name, spans = "", Spans(job.submitted, self._now, self._now, self._now)
        if job.worker is not None:
            name, spans = job.worker.name, self._spans(job)
        self._events.append(TaskFailed(job.task.id, name, failure, spans, job.task.owner))

    def _spans(self, job: _Job) -> Spans:
        now = self._now
        job.pool.busy += now - job.started
        return Spans(job.submitted, job.started, now, now, now - job.started)

    def _join(self, worker: _Worker) -> None:
        worker.place = len(self._live)
        self._live.append(worker)
        self._events.append(WorkerJoined(worker.name, worker.pool.spec.name))
        self._free(worker)

    def _plan_loss(self) -> None:
        # Independent exponential life times: the first of n workers is lost after mean / n, and
        # each of them is equally likely to be that one. They have no memory, so that the draw is
        # repeated, and the one before it void, when n changes.
        self._draw += 1
        if self._live and self._losses.mean_seconds < math.inf:
            mean = self._losses.mean_seconds / len(self._live)
            self._plan(self._now + self._rng.exponential(mean), _LOSS, self._draw)

    def _lose(self, worker: _Worker) -> None:
        last = self._live.pop()
        if last is not worker:
            self._live[worker.place], last.place = last, worker.place
        worker.alive = False
        pool, respawn = worker.pool, self._losses.respawn
        final, story = respawn is None, "simulated loss of a worker"
        if worker.job is not None:
            self._fail(worker.job, Failure(Reason.WORKER_LOST, story))
            worker.job = None
        self._events.append(WorkerLost(worker.name, pool.spec.name, story, final))
        if respawn is not None:
            heir = _Worker(pool, worker.name, worker.index, worker.life + 1)
            self._plan(self._now + respawn, _RETURN, heir)
            return
        pool.workers -= 1
        pool.story = story
        while not pool.workers and pool.queue:
            self._fail(pool.queue.pop(), no_workers(pool.spec.name, story))
