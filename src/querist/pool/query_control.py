"""The controller of a query: hands ranges of rows to workers, then has the best selected. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from querist.control.desk import Desk
from querist.core.answers import Reason
from querist.core.batch import Array
from querist.core.events import (
    Command,
    Durable,
    Event,
    Interrupted,
    Posted,
    StoreBroken,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    WorkerLost,
)
from querist.pool.query_state import (
    CANDIDATES,
    CHUNK,
    ENDED,
    PICKED,
    STARTED,
    QueryState,
    Range,
)

PROBE = 8
"""Rows of the first unit of work, which tells whether the model is a slow one."""

PILOT = 1008
"""Most rows of the second one, in which sizes of batches are tried."""

_PILOT_UNITS = 2  # units of work that the pilot may be as long as

_OURS = re.compile(r"querist\.[\w.]+: ")  # before a sentence that is for people
_JUDGED = 50  # candidates before a share of broken ones means anything
_AT_ONCE = 2  # tasks of a worker, so that it never waits for its next one


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """What is to be done.

    Attributes:
        parts: What is scanned, in order: name and number of rows.
        workers: Names of the engine's pools, each of one worker.
        chunk: Rows of a unit of work; None for what the first two find.
        batch: Items in a call of the model; None likewise.
        abort_share: Of broken candidates, above which the query fails.
        attempts: Tries of a unit of work that fails as a whole.
    """

    parts: tuple[tuple[str, int], ...]
    workers: tuple[str, ...]
    chunk: int | None = None
    batch: int | None = None
    abort_share: float = 0.5
    attempts: int = 3


@dataclass(slots=True)
class _Open:
    """A task that is under way."""

    worker: str
    rows: Range | None
    attempt: int = 1
    started: bool = False


@dataclass(slots=True)
class _Worker:
    """What a worker has: tasks under way, and the range that it will get next."""

    tasks: int = 0
    next: Range | None = None


@dataclass
class QueryController:
    """Pure control of one query; see :class:`querist.core.roles.Controller`.

    Attributes:
        plan: What is to be done.
        state: What is done.
        desk: Where its commands go.
    """

    plan: QueryPlan
    state: QueryState
    desk: Desk
    _todo: deque[Range] = field(default_factory=deque)
    _part: int = -1
    _open: dict[str, _Open] = field(default_factory=dict)
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _tries: dict[Range, int] = field(default_factory=dict)
    _durable: int = 0
    _selecting: bool = False
    _over: bool = False

    @property
    def folded(self) -> int:
        """The state has all facts."""
        return self.desk.seq

    def snapshot(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Nothing: the journal of a query is short."""
        return {}, {}

    def begin(
        self, now: float, header: Mapping[str, Any], posted: Iterable[Posted] = ()
    ) -> Sequence[Command]:
        """First call: records the start and hands out the first work."""
        self.desk.now, self._durable = now, self.desk.seq
        self._workers = {name: _Worker() for name in self.plan.workers}
        self._record(STARTED, {**header, "epoch": self.desk.epoch})
        for message in posted:
            self._on_posted(message)
        self._advance()
        return self.desk.take()

    def handle(self, event: Event, now: float) -> Sequence[Command]:
        """React to one event."""
        self.desk.now = now
        react = _REACTIONS.get(type(event))
        if react is not None and not self._over:
            react(self, event)
            self._advance()
        return self.desk.take()

    def next_deadline(self) -> float | None:
        """Never: it waits for nothing but events."""
        return None

    # ------------------------------------------------------------------------------------ events

    def _on_finished(self, event: TaskFinished) -> None:
        task = self._ended(event.task)
        if task is None:
            return
        if task.rows is None:
            self._picked(event.result)
            return
        self._tries.pop(task.rows, None)
        told = dict(event.result)
        arrays = told.pop("arrays", {})
        data = {**task.rows._asdict(), **told, "worker": event.worker, "cpu": event.spans.cpu}
        self._record(CHUNK, {**data, **self._sizes(told.get("chunk"), told.get("batch"))}, arrays)
        self._judge()

    def _sizes(self, chunk: int | None, batch: int | None) -> dict[str, int | None]:
        """The sizes to come. The first hold: a resumed query is cut as one never stopped."""
        plan, state = self.plan, self.state
        if not (plan.chunk or state.pilot):  # this was the probe
            pilot = PILOT if chunk is None else min(PILOT, _PILOT_UNITS * chunk)
            return {"pilot": pilot, "chunk": None, "batch": plan.batch}
        return {
            "chunk": plan.chunk or state.chunk or chunk or PILOT,
            "batch": plan.batch or state.batch or batch,
        }

    def _picked(self, result: Mapping[str, Any]) -> None:
        told = dict(result)
        arrays = told.pop("arrays")
        self._record(PICKED, told, arrays)
        self._end("finished", f"{told['count']:,} items were picked")

    def _on_started(self, event: TaskStarted) -> None:
        if event.task in self._open:
            self._open[event.task].started = True

    def _on_failed(self, event: TaskFailed) -> None:
        task = self._ended(event.task)
        if task is None or event.failure.reason is Reason.CANCELLED:
            return
        lost = event.failure.reason is Reason.WORKER_LOST
        if lost and task.rows is not None and not task.started and self._workers:
            self._todo.appendleft(task.rows)  # it only waited in a worker that was lost
            return
        if lost and task.rows is not None and task.attempt > 1:
            self._halve(task.rows, event)
            return
        lasting = not event.failure.transient and not (lost and self._workers)
        if lasting or task.attempt >= self.plan.attempts:
            said = _OURS.sub("", event.failure.message, count=1)
            tried = "" if lasting else f" (tried {task.attempt} times)"
            ours = said != event.failure.message  # a sentence, which says what to do by itself
            self._end("failed", f"{said}{tried}", "" if ours else event.failure.traceback)
        elif task.rows is None:
            self._select(task.attempt + 1)
        else:
            self._tries[task.rows] = task.attempt
            self._todo.appendleft(task.rows)

    def _halve(self, rows: Range, event: TaskFailed) -> None:
        """What ended two workers holds an item that does: find it."""
        self._tries.pop(rows, None)
        if rows.size == 1:
            failures = [[rows.start, "fatal", f"It ended the worker: {event.failure.message}"]]
            counts = {"scored": 0, "failed": 1}
            data = {**rows._asdict(), "counts": counts, "failures": failures, "seconds": {}}
            self._record(CHUNK, {**data, "worker": event.worker})
            self._judge()
            return
        middle = rows.start + rows.size // 2
        for half in (rows._replace(start=middle), rows._replace(stop=middle)):
            self._tries[half] = 1
            self._todo.appendleft(half)

    def _on_lost(self, event: WorkerLost) -> None:
        if not event.final or event.pool not in self._workers:
            return
        worker = self._workers.pop(event.pool)
        if worker.next is not None:
            self._todo.appendleft(worker.next)
        if not self._workers:
            self._end("failed", f"no worker is left: {event.message.strip().splitlines()[-1]}")

    def _on_durable(self, event: Durable) -> None:
        self._durable = event.seq

    def _on_posted(self, event: Posted) -> None:
        self.desk.acknowledge(event.id)
        if event.kind == "stop" and not self._over:
            self._end("cancelled", str(event.data.get("reason") or "cancelled by a user"))

    def _on_interrupted(self, event: Interrupted) -> None:
        self._finish("stopped", event.message)

    def _on_broken(self, event: StoreBroken) -> None:
        self._finish("failed", event.message)

    # -------------------------------------------------------------------------------------- work

    def _advance(self) -> None:
        if self._over:
            return
        if self.state.picked is not None:  # by an earlier run, which died before it said so
            self._end("finished", f"{self.state.picked:,} items were picked")
            return
        while not self._todo and not self._busy and self._part < len(self.plan.parts):
            self._next_part()
        if self._part < len(self.plan.parts):
            self._fill()
        elif not self._selecting and self._durable >= self.desk.seq:
            self._select()

    @property
    def _busy(self) -> bool:
        return bool(self._open) or any(worker.next for worker in self._workers.values())

    def _next_part(self) -> None:
        self._part += 1
        if self._part < len(self.plan.parts):
            self._todo.extend(self.state.gaps(*self.plan.parts[self._part]))

    def _fill(self) -> None:
        if self.state.chunk is None:  # the first units tell how large the others are to be
            size = self.plan.chunk or self.state.pilot or PROBE
            if not self._open and (rows := self._take(size)):
                # Reading goes on while the first unit opens the model; a slow one drops it.
                ahead = None if self.state.pilot else self._coming(self.plan.chunk or PILOT)
                self._submit(next(iter(self._workers)), rows, ahead)
            return
        for _ in range(_AT_ONCE):
            for name, worker in self._workers.items():
                if worker.tasks < _AT_ONCE and (rows := worker.next or self._cut()):
                    worker.next = self._cut()
                    self._submit(name, rows, worker.next)

    def _cut(self) -> Range | None:
        return self._take(self.state.chunk or PILOT)

    def _take(self, size: int) -> Range | None:
        if not self._todo:
            return None
        rows = self._todo.popleft()
        if rows.size > size:
            self._todo.appendleft(rows._replace(start=rows.start + size))
            rows = rows._replace(stop=rows.start + size)
        return rows

    def _coming(self, size: int) -> Range | None:
        """What is probably taken next; it stays where it is."""
        if not self._todo:
            return None
        rows = self._todo[0]
        return rows._replace(stop=min(rows.stop, rows.start + size))

    def _submit(self, worker: str, rows: Range, ahead: Range | None) -> None:
        attempt = self._tries.get(rows, 0) + 1
        # What ended a worker is run alone, so that nothing else is blamed.
        alone = ahead is None or bool(self._tries)
        payload = {
            "rows": tuple(rows),
            "ahead": None if alone else tuple(ahead or ()),
            "batch": self.plan.batch or self.state.batch,
        }
        task = self.desk.submit("scan", worker, payload, attempt=attempt, items=rows.size)
        self._open[task.id] = _Open(worker, rows, attempt)
        self._workers[worker].tasks += 1

    def _select(self, attempt: int = 1) -> None:
        self._selecting = True
        worker = next(iter(self._workers))
        payload = {"failed": self.state.failed}
        task = self.desk.submit("select", worker, payload, attempt=attempt)
        self._open[task.id] = _Open(worker, None, attempt)

    def _ended(self, name: str) -> _Open | None:
        task = self._open.pop(name, None)
        if task is not None and task.rows is not None and task.worker in self._workers:
            self._workers[task.worker].tasks -= 1
        return task

    # --------------------------------------------------------------------------------------- end

    def _judge(self) -> None:
        judged, failed = self.state.judged, self.state.failed
        total = dict(self.plan.parts).get(CANDIDATES, 0)
        enough = judged >= min(_JUDGED, total)
        if enough and judged and failed > self.plan.abort_share * judged:
            self._end(
                "failed",
                f"{failed:,} of the first {judged:,} items are broken, more than the "
                f"{self.plan.abort_share:.0%} that abort_share allows. The first: "
                f"{self.state.example or 'its worker ended.'} Failures lists them all; repair the "
                "items or raise abort_share.",
            )

    def _end(self, status: str, reason: str, traceback: str = "") -> None:
        told = {"traceback": traceback} if traceback else {}
        self._record(ENDED, {"status": status, "reason": reason, **told})
        self._finish(status, reason)

    def _finish(self, status: str, reason: str) -> None:
        if self._over:
            return
        self._over = True
        for task in self._open:
            self.desk.cancel(task, reason, hard=False)
        self.desk.finish(status, reason)

    def _record(
        self, kind: str, data: dict[str, Any], arrays: Mapping[str, Array] | None = None
    ) -> None:
        self.state.fold_fact(self.desk.record(kind, data, arrays or {})[1])


_REACTIONS: dict[type, Callable[[QueryController, Any], None]] = {
    TaskFinished: QueryController._on_finished,
    TaskStarted: QueryController._on_started,
    TaskFailed: QueryController._on_failed,
    WorkerLost: QueryController._on_lost,
    Durable: QueryController._on_durable,
    Posted: QueryController._on_posted,
    Interrupted: QueryController._on_interrupted,
    StoreBroken: QueryController._on_broken,
}
