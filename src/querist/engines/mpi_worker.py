"""What a rank is while it works: a handler of its own, or the keeper of a child that has it.

A *direct* worker opens its handler in the rank. An *isolated* one is a child process, between which
and rank 0 the rank carries frames, so that a crash, an ``exit()`` or a kill costs one task.

Where MPI allows several threads (MPI_THREAD_MULTIPLE), a helper thread looks for messages fifty
times a second while a handler runs, and can interrupt it. Elsewhere messages are seen when the
handler asks ``should_stop`` or sends progress, and between tasks.
"""

from __future__ import annotations

import queue
import resource
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

from querist.core.answers import Failure
from querist.core.tasks import Factory, PoolSpec
from querist.engines import wire
from querist.engines.lifeline import Warden, end_marked
from querist.engines.link import SupportsServe
from querist.engines.loop import Loop
from querist.engines.mpi_job import Employment, Patience, Post
from querist.engines.mpi_link import MpiLink
from querist.engines.seat import ProcessSeat
from querist.engines.wire import Frame, Kind
from querist.engines.worker import Context, Unwind, Worker

_GLANCE = 0.0005  # seconds between two looks of a handler that asks all the time
_TRIES = 50  # hundredths of a second in which a child without connection has to end


class RankWorker(Worker):
    """A handler in the rank itself.

    Args:
        station: Its rank.
    """

    def __init__(self, station: Post) -> None:
        super().__init__()
        self._station = station
        self._patience = Patience(station.world.yields, rests=True)
        self._looked = 0.0
        self._busy = False  # whether a handler runs
        self._due = False  # whether it is to be interrupted
        self._link: MpiLink | None = None
        self._resting: Resting | None = None

    def work(self, job: Employment) -> tuple[str, str]:
        """Open the handler, run tasks until told to close; how it ended."""
        limits = resource.getrlimit(resource.RLIMIT_DATA)
        how = "was closed"
        opening = job.opening
        if job.joins:
            self._link = self._station.link()
            self._link.reset()
            opening = replace(opening, context=replace(opening.context, link=self._link))
        try:
            if self._open(opening):
                context = Context(self, opening)
                self._resting = Resting(self, opening) if job.joins else None
                self._work(context)
            else:
                how = "could not open its role"
        except Unwind:
            how = "was interrupted"
        finally:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_DATA, limits)
        try:
            self.close()
        # Isolation boundary: closing is anyone's code, and the rank goes on.
        except (Exception, Unwind):  # noqa: BLE001
            traceback.print_exc()
        return how, ""

    def take(self, each: Frame) -> None:
        """A frame for this worker."""
        kind, stamp, parts = each
        if kind == Kind.KILL:
            if stamp.serial in (0, self.current):
                self._interrupt()
        elif kind == Kind.TERMINATE:
            self._interrupt()
        elif kind == Kind.QUIT:
            self._stop()
            self._interrupt()
        elif kind == Kind.PARTY:
            if self._link is not None:
                self._link.update(wire.loads(parts))
        else:
            self._take(kind, stamp, parts)

    def send(self, *frames: Frame) -> None:
        """Send frames together."""
        self._station.send(*frames)
        self.unwind_if_due()

    def look(self) -> None:
        """See whether something came, at most every half millisecond."""
        if time.monotonic() >= self._looked + _GLANCE:
            self._poll()
        self.unwind_if_due()

    def unwind_if_due(self) -> None:
        """Leave a handler that is to be interrupted. In the main thread."""
        if self._due and self._busy and threading.current_thread() is threading.main_thread():
            self._due = False
            raise Unwind

    def _interrupt(self) -> None:
        self._due = True
        if self._busy:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _get(self, wait: bool) -> int | None:
        if time.monotonic() >= self._looked + _GLANCE or self._order.empty():
            self._poll()
        while True:
            try:
                serial = self._order.get_nowait()
                self._patience.reset()
                return serial
            except queue.Empty:
                if not wait:
                    raise
            self._rest()
            self._poll()

    def _rest(self) -> None:
        """Work for the party, where the handler does; else wait a little."""
        handler: object = self._handler
        if self._resting is None or not isinstance(handler, SupportsServe):
            self._patience.wait()
            return
        self._due = False
        self._busy = True
        try:
            handler.serve(self._resting)
        finally:
            self._busy = False

    def _poll(self) -> None:
        self._station.poll()
        self._looked = time.monotonic()

    def _outcome(self, parts: list[wire.Part], context: Context) -> Mapping[str, Any] | Failure:
        self._due = False
        self._busy = True
        try:
            return super()._outcome(parts, context)
        finally:
            self._busy = False


class Resting(Context):
    """The context of a handler between two tasks."""

    __slots__ = ()

    def should_stop(self) -> bool:
        """Whether a task has come, or the worker is to close."""
        worker = self._worker
        worker.look()
        return worker.closing or worker.has_task


class Relay:
    """A worker in a child process, and the rank between it and rank 0.

    Args:
        station: Its rank.
    """

    def __init__(self, station: Post) -> None:
        self._station = station
        self._frames: deque[Frame] = deque()
        self._loop = Loop(self._react)
        self._current = 0
        self._how = ""
        self._hung_up = 0

    def take(self, each: Frame) -> None:
        """A frame for the child, from any thread."""
        self._frames.append(each)
        self._loop.wake()

    def work(self, job: Employment) -> tuple[str, str]:
        """Start the child, carry frames until it has ended; how it did, and its last stacks."""
        opening = job.opening
        spec = PoolSpec(job.pool, Factory())
        seat = ProcessSeat(spec, opening.context.index, opening.context.device, self._loop.selector)
        # The kernel ends the child with the thread that started it.
        with ThreadPoolExecutor(1, "querist-spawner") as spawner:
            warden = Warden()
            try:
                seat.launch(opening, spawner)
                warden.watch(seat.pid, seat.mark)
                self._carry(seat)
                end_marked({seat.pid}, [seat.mark])
                warden.forget(seat.pid, seat.mark)
            except OSError as error:
                self._how = f"could not be started: {error}"
            finally:
                warden.close()
                self._loop.close()
        return seat.story if seat.story.startswith("killed") else self._how, seat.faults()

    def _carry(self, seat: ProcessSeat) -> None:
        patience = Patience(self._station.world.yields, rests=True)
        while not self._how:
            if self._station.poll() or self._frames:
                patience.reset()
            while self._frames:
                self._pass_on(seat, self._frames.popleft())
            seat.flush()
            self._loop.woken = False
            self._loop.poll(time.monotonic() + patience.next())
            self._check(seat)
            if self._loop.woken:
                patience.reset()

    def _pass_on(self, seat: ProcessSeat, each: Frame) -> None:
        kind, stamp, parts = each
        if kind == Kind.KILL:
            if stamp.serial in (0, self._current):
                seat.kill(wire.loads(parts) if parts else "killed at the end")
        elif kind == Kind.TERMINATE:
            seat.terminate()
        elif kind == Kind.QUIT:
            seat.kill("killed at the end of the job")
        else:
            seat.send(Kind(kind), stamp, parts)

    def _react(self, seat: ProcessSeat, source: object, mask: int) -> None:
        self._loop.woken = True
        seat.flush()
        self._bring(seat.receive())

    def _bring(self, frames: list[Frame]) -> None:
        for kind, stamp, _ in frames:
            if kind == Kind.STARTED:
                self._current = stamp.serial
        if frames:
            self._station.send(*frames)

    def _check(self, seat: ProcessSeat) -> None:
        """Note the child's end; one that only hung up is killed."""
        if seat.process is None or seat.process.poll() is None:
            if not seat.connected:
                self._hung_up += 1
                time.sleep(0.01)
                if self._hung_up == _TRIES:
                    seat.kill("killed, for it closed its connection")
            return
        self._bring(seat.receive(everything=True))
        self._how = seat.reap() or "ended"
