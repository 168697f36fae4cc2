"""Hands tasks to seats and makes events of what they say: what engines with workers share.

An engine gives it a loop that waits, a staff that fills seats, and tells it when one has ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol, Self

from querist.core.answers import Failure, Reason
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
from querist.core.tasks import PoolSpec, Spans, Task
from querist.engines import wire
from querist.engines.fair import checked_weight
from querist.engines.loop import BaseLoop
from querist.engines.opening import check_pools, failure_of, no_workers, pool_for, unknown_pool
from querist.engines.pools import Pool
from querist.engines.seat import Entry, Seat
from querist.engines.wire import Frame, Kind, Stamp

_OPENINGS = 3  # failures to open in a row after which a worker is given up
_LOSSES = 3  # workers that may die while a task waits in them
_STOCK = 2  # waiting tasks with which a worker can wait for more, which are then sent together
_PATIENCE = 0.002  # seconds that a task runs before those behind it are called back
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds before a worker is replaced again
_LEAVE = 10.0  # seconds that a worker has to close its role when it gets another
_ORDERLY, _UNWIND = 0.15, 0.25  # seconds that workers have to close at least; after SIGTERM


class Staff(Protocol):
    """Makes the seats of pools and puts workers into them."""

    def hire(self, pools: Sequence[Pool], already: int) -> None:
        """Make the seats of pools, beside as many workers that there are ``already``.

        Raises:
            RunError: If they cannot be started.
        """

    def launch(self, seat: Any, pool: Pool) -> None:
        """Start a worker.

        Raises:
            OSError: If that is not possible now.
        """

    def add(self, pool: Pool) -> Any:
        """Make one more seat of a pool, of workers that need no GPU."""

    def release(self, seat: Any) -> None:
        """Nobody will sit here any more."""

    def clean_up(self, seats: Iterable[Any]) -> None:
        """End what these workers, which have ended, started."""

    def close(self) -> None:
        """After this nothing of it remains."""


class Foreman:
    """Queues, dispatch, recalls, cancellation and losses: the part of an engine that all share.

    Not for several threads, except :meth:`wake`. After :meth:`close`, :meth:`events` still gives
    what arrived until then.

    Args:
        loop: Waits for workers, instants and wake-ups.
        staff: Fills seats.
        offset: Campaign time minus the monotonic clock, in seconds.
        grace: Seconds between a hard cancellation and the kill.
    """

    def __init__(self, loop: BaseLoop, staff: Staff, offset: float, grace: float) -> None:
        self._offset, self._loop, self._staff, self._grace = offset, loop, staff, grace
        self._pools: dict[str, Pool] = {}
        self._weights: dict[str, float] = {}
        self._entries: dict[str, Entry] = {}
        self._serial = 0
        self._events: list[Event] = []
        self._dirty: set[Seat] = set()
        self._closed = False

    joins_workers = False  # whether workers of one party can talk to each other

    def start(self, pools: Sequence[PoolSpec]) -> None:
        """Start workers; they join when they have opened their handlers.

        Raises:
            RunError: If a pool cannot be started at all, for example for want of a GPU.
        """
        self._refuse_closed()
        check_pools(pools, self._pools, self.joins_workers)
        added = [Pool(spec, self._weights) for spec in pools]
        self._staff.hire(added, len(self._seats()))
        for pool in added:
            self._pools[pool.spec.name] = pool
            for seat in pool.seats:
                self._launch(seat)

    def share(self, owner: str, weight: float) -> None:
        """Give an owner this weight in every pool."""
        self._weights[owner] = checked_weight(owner, weight)

    def submit(self, task: Task) -> None:
        """Queue a task; it is sent at once where a worker has room."""
        self._refuse_closed()
        pool = pool_for(task, self._pools, self._entries)
        self._serial += 1
        entry = self._entries[task.id] = Entry(self._serial, task, self.now())
        if pool.left:
            pool.queue.push(task.owner, entry.serial, entry)
            self._dispatch(pool)
        else:
            self._fail(entry, no_workers(task.pool, pool.story))

    def cancel(self, task: str, why: str, hard: bool = True) -> None:
        """Stop a task; one that has ended is passed over."""
        entry = self._entries.get(task)
        if entry is None:
            return
        entry.cancelled, entry.hard = why or "no reason given", hard
        if entry.seat is None:
            self._pools[entry.task.pool].queue.remove(entry.task.owner, entry.serial)
        else:
            entry.seat.send(Kind.CANCEL, Stamp(entry.serial))
            entry.seat.flush()
        if not entry.running:
            self._fail(entry, Failure(Reason.CANCELLED, f"cancelled before it began: {why}"))
        elif hard:
            self._kill_later(entry)

    def move(self, source: str, target: str) -> bool:
        """Let one worker of a pool serve another: the one with the least to do.

        It ends what it runs and gets nothing more; ``RoleChanged`` says that it has left, and
        ``WorkerJoined`` that it has opened its new role. If it dies before, it moves as well.

        Returns:
            Whether one does. Workers that need GPUs or belong to a party stay.
        """
        self._refuse_closed()
        for name in (source, target):
            if name not in self._pools:
                raise unknown_pool(name, self._pools)
        pools = [self._pools[source], self._pools[target]]
        able = [seat for seat in pools[0].seats if seat.ready and not seat.bound]
        if not able or any(pool.spec.resources.gpus or pool.spec.party for pool in pools):
            return False
        seat = min(able, key=lambda seat: (seat.load, -seat.index))
        seat.next_pool, seat.ready = target, False
        pools[0].place(seat)
        pools[1].left += 1  # tasks may be queued for it at once
        for entry in seat.waiting.values():
            self._recall(entry)
        seat.flush()
        self._dismiss(seat)
        return True

    def events(self, timeout: float | None) -> list[Event]:
        """All events that are there, waiting up to ``timeout`` seconds for the first."""
        deadline = None if timeout is None else time.monotonic() + timeout
        loop = self._loop
        while not self._closed:
            soonest = self._settle(deadline)
            loop.poll(0.0 if self._events or loop.woken else soonest)
            if self._events or loop.woken:
                break
            if deadline is not None and time.monotonic() >= deadline:
                break
        loop.woken = False
        events, self._events = self._events, []
        return events

    def wake(self) -> None:
        """Make a waiting :meth:`events` return; callable from any thread."""
        self._loop.wake()

    def now(self) -> float:
        """Seconds of campaign time."""
        return time.monotonic() + self._offset

    def close(self, grace: float = 0.0) -> None:
        """End all workers, and whatever they started.

        Each may end its task and close its handler for ``grace`` seconds (but at least 0.15),
        then gets SIGTERM, which unwinds the task, and 0.25 seconds later SIGKILL.
        """
        if self._closed:
            return
        self._closed = True
        self._loop.forget_timers()
        try:
            for seat in self._seats():
                seat.send(Kind.CLOSE, Stamp())
                seat.flush()
            self._await_ends(max(grace, _ORDERLY))
            for seat in self._seats():
                seat.terminate()
            self._await_ends(_UNWIND)
        finally:
            self._end_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise RunError("this engine was closed; make another one.")

    def _launch(self, seat: Seat) -> None:
        try:
            self._staff.launch(seat, self._pools[seat.spec.name])
        except OSError as error:
            self._bury(seat, f"could not be started: {error}")

    def _seats(self) -> list[Seat]:
        return [seat for pool in self._pools.values() for seat in pool.seats]

    # Sending.

    def _dispatch(self, pool: Pool) -> None:
        while pool.queue and (assigned := pool.assign()) is not None:
            self._send_task(pool, *assigned)

    def _send_task(self, pool: Pool, entry: Entry, seat: Seat) -> None:
        task = entry.task
        try:
            parts = wire.dumps(tuple(task))
        # Isolation boundary: a payload may refuse to be pickled in any way.
        except Exception as error:  # noqa: BLE001
            cause = failure_of(error)
            message = (
                "the task cannot be sent: its payload should hold plain values and arrays, but "
                f"pickling it raised {cause.message}"
            )
            self._fail(entry, replace(cause, message=message, transient=False))
            return
        entry.seat, entry.recalled = seat, False
        needed = len(seat.waiting) < _STOCK
        seat.waiting[entry.serial] = entry
        seat.send(Kind.TASK, Stamp(entry.serial), parts)
        pool.place(seat)
        if needed:  # whoever submits may then be busy for long
            seat.flush()
        else:
            self._dirty.add(seat)

    def _settle(self, until: float | None) -> float | None:
        """Send what is to be sent, call back what waits in vain; until when to wait then."""
        now = self.now()
        for pool in self._pools.values():
            entries, later = pool.surplus(now - _PATIENCE)
            for entry in entries:
                self._recall(entry)
            if later is not None:
                again = later + _PATIENCE - self._offset
                until = again if until is None else min(until, again)
        while self._dirty:
            self._dirty.pop().flush()
        return until

    def _recall(self, entry: Entry) -> None:
        if entry.seat is not None:
            entry.recalled = True
            entry.seat.send(Kind.RECALL, Stamp(entry.serial))
            self._dirty.add(entry.seat)

    # What workers say.

    def _handle(self, seat: Seat, frame: Frame) -> None:
        kind, stamp, parts = frame
        if kind == Kind.FINISHED or kind == Kind.FAILED:
            self._on_end(seat, kind, stamp, parts)
        elif kind == Kind.STARTED:
            self._on_started(seat, stamp)
            return  # it has as many tasks as before
        elif kind == Kind.PROGRESS:
            self._on_progress(seat, parts)
            return
        elif kind == Kind.RETURNED:
            self._on_returned(seat, stamp)
        elif kind == Kind.READY:
            seat.ready, seat.opened, seat.failed_openings = True, True, 0
            self._events.append(WorkerJoined(seat.name, seat.spec.name))
        else:
            seat.story, transient = wire.loads(parts)
            if not transient:  # what cannot be imported cannot be the next time
                seat.failed_openings = _OPENINGS
        pool = self._pools[seat.spec.name]
        pool.place(seat)
        if not self._closed:
            self._dispatch(pool)
            self._dismiss(seat)

    def _on_started(self, seat: Seat, stamp: Stamp) -> None:
        entry = seat.waiting.pop(stamp.serial)
        seat.running, seat.began = entry, self.now()
        entry.running, entry.recalled = True, False
        if not entry.reported:
            self._events.append(TaskStarted(entry.task.id, seat.name, entry.task.owner))
        elif entry.hard:
            self._kill_later(entry)

    def _on_progress(self, seat: Seat, parts: list[wire.Part]) -> None:
        entry = seat.running
        if entry is not None and not entry.reported:
            data = wire.loads(parts)
            self._events.append(TaskProgress(entry.task.id, data, entry.task.owner))

    def _on_returned(self, seat: Seat, stamp: Stamp) -> None:
        entry = seat.waiting.pop(stamp.serial)
        if not entry.reported:
            self._requeue(entry)

    def _on_end(self, seat: Seat, kind: int, stamp: Stamp, parts: list[wire.Part]) -> None:
        entry, seat.running, seat.troubles = seat.running, None, 0
        if entry is None or entry.reported:
            return
        task = entry.task
        _, started, finished, cpu = stamp
        spans = Spans(entry.submitted, started, finished, self.now(), cpu)
        try:
            outcome = wire.loads(parts)
        # Isolation boundary: unpickling a result runs anyone's code.
        except Exception as error:  # noqa: BLE001
            cause = failure_of(error)
            message = (
                f"the result cannot be read here: {cause.message} (classes must be importable, "
                "so not defined in the main script)"
            )
            kind, outcome = Kind.FAILED, replace(cause, message=message, transient=False)
        if kind == Kind.FINISHED:
            del self._entries[task.id]
            self._events.append(TaskFinished(task.id, seat.name, outcome, spans, task.owner))
        else:
            self._fail(entry, _cancelled(entry, outcome), spans)

    def _fail(self, entry: Entry, failure: Failure, spans: Spans | None = None) -> None:
        task = entry.task
        now = self.now()
        entry.reported = True
        del self._entries[task.id]
        worker = entry.seat.name if entry.seat is not None else ""
        if spans is None:
            # No worker ended it; it began when it was seen to, if it did.
            began = entry.seat.began if entry.seat is not None and entry.running else now
            spans = Spans(entry.submitted, began, now, now)
        self._events.append(TaskFailed(task.id, worker, failure, spans, task.owner))

    def _requeue(self, entry: Entry) -> None:
        entry.seat, entry.recalled = None, False
        queue = self._pools[entry.task.pool].queue
        queue.push_front(entry.task.owner, entry.serial, entry)

    # Ends.

    def _kill_later(self, entry: Entry) -> None:
        def kill() -> None:
            seat = entry.seat
            if seat is not None and seat.running is entry:
                seat.kill(f"killed to stop task {entry.task.id!r}: {entry.cancelled}")

        self._loop.after(self._grace, kill)

    def _bury(self, seat: Seat, how: str) -> None:
        """Fail its task, queue the waiting ones again, and find a successor."""
        pool = self._pools[seat.spec.name]
        pool.place(seat)
        if self._closed:
            return
        self._staff.clean_up([seat])
        message = _epitaph(seat, how)
        running, seat.running = seat.running, None
        if running is not None and not running.reported:
            lost = Failure(Reason.WORKER_LOST, message, seat.faults())
            self._fail(running, _cancelled(running, lost))
        waiting = [entry for entry in seat.waiting.values() if not entry.reported]
        seat.waiting.clear()
        for entry in reversed(waiting):
            self._give_back(entry, message)
        if seat.next_pool:
            self._depart(pool, seat)
        else:
            self._replace(pool, seat, message)
        self._dispatch(pool)

    def _give_back(self, entry: Entry, message: str) -> None:
        entry.losses += 1
        if entry.losses < _LOSSES:
            self._requeue(entry)
            return
        sentence = f"{entry.losses} workers died while the task waited in them; the last: {message}"
        self._fail(entry, Failure(Reason.WORKER_LOST, sentence))

    def _replace(self, pool: Pool, seat: Seat, message: str) -> None:
        if seat.opened:
            seat.troubles += 1
        else:
            seat.failed_openings += 1
        final = seat.lost or seat.failed_openings >= _OPENINGS
        self._events.append(WorkerLost(seat.name, pool.spec.name, message, final))
        if final:
            pool.left, pool.story = pool.left - 1, message
            while pool.queue and not pool.left:
                self._fail(pool.queue.pop(), no_workers(pool.spec.name, message))
            return
        before = seat.failed_openings if not seat.opened else seat.troubles - 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (before - 1)) if before else 0.0
        self._loop.after(pause, lambda: self._launch(seat))

    def _dismiss(self, seat: Seat) -> None:
        """Close a worker that is to serve another pool, once it has nothing to do."""
        if not seat.next_pool or seat.load or seat.dismissed:
            return
        seat.dismissed, life = True, seat.life

        def kill() -> None:
            if seat.alive and seat.life == life:
                seat.kill(f"did not close its role within {_LEAVE:g} s, and was killed")

        seat.send(Kind.CLOSE, Stamp())
        seat.flush()
        self._loop.after(_LEAVE, kill)

    def _depart(self, pool: Pool, seat: Seat) -> None:
        """A worker has left its pool: one more begins in the other."""
        target = self._pools[seat.next_pool]
        self._events.append(RoleChanged(seat.name, target.spec.name))
        pool.remove(seat)
        self._staff.release(seat)
        while pool.queue and not pool.left:
            self._fail(pool.queue.pop(), no_workers(pool.spec.name, f"moved to {seat.next_pool}"))
        fresh = self._staff.add(target)
        target.add(fresh)
        self._launch(fresh)

    def _await_ends(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(seat.alive for seat in self._seats()):
            self._loop.poll(until)

    def _end_all(self) -> None:
        seats = self._seats()
        for seat in seats:
            seat.kill("was killed at the end")
        for seat in seats:
            seat.end()
        self._staff.clean_up(seats)
        self._staff.close()
        self._loop.close()
        self._entries.clear()


def _epitaph(seat: Seat, how: str) -> str:
    if not seat.opened:
        return seat.story or f"worker {seat.name!r} {how} while it opened its role"
    return f"worker {seat.name!r} {seat.story or how}"


def _cancelled(entry: Entry, failure: Failure) -> Failure:
    if not entry.cancelled:
        return failure
    message = f"cancelled: {entry.cancelled}; it then ended so: {failure.message}"
    return Failure(Reason.CANCELLED, message, failure.traceback)
