"""Everything in the calling thread: deterministic, for tests, debugging and small problems."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from querist.core.answers import Failure, Reason
from querist.core.errors import RunError
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
from querist.engines.fair import FairQueue, checked_weight
from querist.engines.gpus import device, gpu_names
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
)


@dataclass(slots=True)
class _Pool:
    spec: PoolSpec
    queue: FairQueue[tuple[Task, float]]
    workers: list[tuple[Handler, WorkerContext]] = field(default_factory=list)
    turn: int = 0
    story: str = ""


class Inline:
    """Runs one task in each call of :meth:`events`, in the thread that calls it.

    Pools take turns, so that explorers do not starve oracles; within a pool, owners share by
    weight and tasks go to its workers in turn. The order is the same in every run.

    A task cannot be interrupted: ``should_stop`` stays false while it runs, time limits cannot be
    enforced, and a handler that crashes takes the whole process with it. All workers of a pool
    whose factory is a live object share that object.

    Args:
        run: The run's folder, for the workers' context.
        scratch: Folder for the workers' own folders; None for a temporary one.
        seed: Of the workers' randomness.
        start_at: Seconds of campaign time at which :meth:`now` begins.
    """

    def __init__(
        self,
        *,
        run: Path | None = None,
        scratch: Path | None = None,
        seed: int = 0,
        start_at: float = 0.0,
    ) -> None:
        self._site = Site(run, scratch, seed)
        self._origin = time.monotonic() - start_at
        self._pools: dict[str, _Pool] = {}
        self._weights: dict[str, float] = {}
        self._turns: list[str] = []
        self._owners: dict[str, tuple[str, str]] = {}
        self._events: list[Event] = []
        # Unlike an Event, its put() may be called from a signal handler at any point.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._closed = False

    def start(self, pools: Sequence[PoolSpec]) -> None:
        """Open all workers; a handler that cannot be opened is a lost worker."""
        check_pools(pools, self._pools)
        self._refuse_closed()
        for spec in pools:
            pool = self._pools[spec.name] = _Pool(spec, FairQueue(self._weights))
            self._turns.append(spec.name)
            for index in range(spec.count):
                self._open(pool, index)

    def share(self, owner: str, weight: float) -> None:
        """Give an owner this weight in every pool."""
        self._weights[owner] = checked_weight(owner, weight)

    def submit(self, task: Task) -> None:
        """Queue a task; it runs in a later call of :meth:`events`."""
        self._refuse_closed()
        pool = pool_for(task, self._pools, self._owners)
        now = self.now()
        if pool.workers:
            self._owners[task.id] = (task.pool, task.owner)
            pool.queue.push(task.owner, task.id, (task, now))
        else:
            self._fail(task, "", no_workers(task.pool, pool.story), Spans(submitted=now))

    def cancel(self, task: str, why: str, hard: bool = True) -> None:
        """Take out a task that waits; one that has ended is passed over."""
        del hard  # nothing runs while the caller has the thread
        pool, owner = self._owners.pop(task, ("", ""))
        if pool and self._pools[pool].queue.remove(owner, task):
            failure = Failure(Reason.CANCELLED, f"cancelled before it began: {why}")
            self._events.append(TaskFailed(task, "", failure, owner=owner))

    def events(self, timeout: float | None) -> list[Event]:
        """What happened since the last call; where that is nothing, run one task first."""
        if not self._events and not self._run_one() and not self._closed:
            self._wait(timeout)
        events, self._events = self._events, []
        return events

    def _wait(self, timeout: float | None) -> None:
        with suppress(Empty):
            self._wakes.get(timeout=timeout)
            while True:
                self._wakes.get_nowait()

    def wake(self) -> None:
        """Make a waiting :meth:`events` return; callable from any thread and signal handler."""
        self._wakes.put(None)

    def now(self) -> float:
        """Seconds of campaign time."""
        return time.monotonic() - self._origin

    def close(self, grace: float = 0.0) -> None:
        """Close all handlers; tasks that still wait are forgotten."""
        del grace  # nothing runs
        if self._closed:
            return
        self._closed = True
        self._owners.clear()
        try:
            for handler in [h for pool in self._pools.values() for h, _ in pool.workers]:
                close_handler(handler)
        finally:
            self._site.clear()

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise RunError("this engine was closed; make another one.")

    def _open(self, pool: _Pool, index: int) -> None:
        context = self._site.context(pool.spec, index)
        if pool.spec.resources.gpus:  # all share the first, for they are one process
            context = replace(context, device=device(gpu_names()))
        try:
            handler = open_handler(pool.spec.handler, context)
        # Isolation boundary: opening runs anyone's code.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            pool.story = failure_of(error).traceback
            self._events.append(WorkerLost(context.name, pool.spec.name, pool.story, final=True))
            return
        pool.workers.append((handler, context))
        self._events.append(WorkerJoined(context.name, pool.spec.name))

    def _run_one(self) -> bool:
        for _ in self._turns:
            name = self._turns.pop(0)
            self._turns.append(name)
            pool = self._pools[name]
            if pool.queue and not self._closed:
                self._run(pool, *pool.queue.pop())
                return True
        return False

    def _run(self, pool: _Pool, task: Task, submitted: float) -> None:
        handler, worker = pool.workers[pool.turn % len(pool.workers)]
        pool.turn += 1

        def keep(data: Mapping[str, Any]) -> None:
            self._events.append(TaskProgress(task.id, data, task.owner))

        self._events.append(TaskStarted(task.id, worker.name, task.owner))
        started, cpu = self.now(), time.process_time()
        outcome = perform(handler, task, LocalContext(worker, self.now, keep))
        ended = self.now()
        spans = Spans(submitted, started, ended, ended, time.process_time() - cpu)
        self._owners.pop(task.id, None)
        if isinstance(outcome, Failure):
            self._fail(task, worker.name, outcome, spans)
        else:
            self._events.append(TaskFinished(task.id, worker.name, outcome, spans, task.owner))

    def _fail(self, task: Task, worker: str, failure: Failure, spans: Spans) -> None:
        self._events.append(TaskFailed(task.id, worker, failure, spans, task.owner))
