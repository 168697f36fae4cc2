"""What a rank other than 0 does: it is whatever worker rank 0 makes of it, one after the other.

A *direct* worker opens its handler in the rank. An *isolated* one is a child process, between which
and rank 0 the rank carries frames, so that a crash, an ``exit()`` or a kill costs one task.

Where MPI allows several threads (MPI_THREAD_MULTIPLE), a helper thread looks for messages fifty
times a second while a handler runs, and can interrupt it. Elsewhere messages are seen when the
handler asks ``should_stop`` or sends progress, and between tasks.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from querist.core.answers import Failure
from querist.core.tasks import Factory, PoolSpec
from querist.engines import wire
from querist.engines.gpus import VISIBLE
from querist.engines.lifeline import Warden, end_marked
from querist.engines.loop import Loop
from querist.engines.machine import thread_environment
from querist.engines.mpi_wire import Channel
from querist.engines.mpi_world import World
from querist.engines.seat import ProcessSeat
from querist.engines.wire import Frame, Kind, Stamp
from querist.engines.worker import Context, Opening, Unwind, Worker

_LOOK = 0.02  # seconds between two looks of the helper thread
_GLANCE = 0.0005  # seconds between two looks of a handler that asks all the time
_SHORTEST, _LONGEST = 20e-6, 1e-3  # seconds that it then sleeps
_LAST = 4.0  # seconds that a handler may go on after the job was told to end
_TRIES = 50  # hundredths of a second in which a child without connection has to end


@dataclass(frozen=True, slots=True)
class Employment:
    """What a rank is told when it becomes a worker.

    Attributes:
        opening: As for any worker.
        pool: Its pool's name.
        isolated: Whether it works in a child process.
        environment: Variables that it shall have.
        path: Where rank 0 imports from.
    """

    opening: Opening
    pool: str
    isolated: bool
    environment: Mapping[str, str]
    path: tuple[str, ...]


class Patience:
    """Waits shortly at first, then longer: quick when busy, no load when idle.

    Args:
        yields: How often it only gives way before it sleeps. Where ranks share cores this is slow:
            the others' turns are longer than a sleep.
    """

    __slots__ = ("_turn", "_yields")

    def __init__(self, yields: int) -> None:
        self._turn, self._yields = 0, yields

    def reset(self) -> None:
        """Something happened."""
        self._turn = 0

    def next(self) -> float:
        """Seconds to sleep now; 0 is to give way only."""
        self._turn += 1
        over = self._turn - self._yields
        return 0.0 if over < 0 else min(_LONGEST, _SHORTEST * 2 ** min(over // 4, 10))

    def wait(self) -> None:
        """Sleep, or give way."""
        seconds = self.next()
        if seconds:
            time.sleep(seconds)
        else:
            os.sched_yield()


class Station:
    """One rank, from the first worker that it is to the end of the job.

    Args:
        world: Whose rank it is.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.lock = threading.RLock()
        self.talking = False  # whether the main thread is within the channel
        self._channel = Channel(world.mpi, world.comm, self._hear, source=0)
        self._frames: deque[Frame] = deque()
        self._worker: RankWorker | Relay | None = None
        self._quit_at = 0.0
        self._status = 0
        self._done = False

    def serve(self) -> int:
        """Work until the job ends.

        Returns:
            The status with which to end the process.
        """
        with suppress(ValueError):  # not in the main thread; then signals are the caller's
            for number in (signal.SIGINT, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN)  # rank 0 has them, too, and decides
            signal.signal(signal.SIGTERM, self._on_signal)
        if not faulthandler.is_enabled() and sys.stderr is not None:
            with suppress(OSError, ValueError):
                faulthandler.enable()
        helper = threading.Thread(target=self._watch, name="querist-station", daemon=True)
        helper.start()
        patience = Patience(self.world.yields)
        while not self._quit_at:
            if not self._frames:
                if self.poll():
                    patience.reset()
                else:
                    patience.wait()
                continue
            kind, _, parts = self._frames.popleft()
            if kind == Kind.OPEN:  # anything else was for a worker that is gone
                self._employ(wire.loads(parts))
        self._done = True
        helper.join()  # it must not be within MPI when that is finalised
        self.send((Kind.BYE, Stamp(), []))
        self._leave()
        return self._status

    def _leave(self) -> None:
        with self._errors():
            while not self._channel.sent():
                time.sleep(_SHORTEST)
        self.world.finish(self._status)

    def send(self, *frames: Frame) -> None:
        """Send frames to rank 0; large ones have left when this returns."""
        with self.lock, self._errors():
            for each in frames:
                self._channel.put(0, each)
            self._channel.flush(0)
            patience = Patience(self.world.yields)
            while not self._channel.sent():
                # Its memory may change afterwards, and a handler that computes does not send.
                if not self._channel.poll():
                    patience.wait()

    def poll(self) -> bool:
        """Take what has come from rank 0; whether there was anything."""
        with self.lock, self._errors():
            return self._channel.poll()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        main = threading.current_thread() is threading.main_thread()
        before, self.talking = self.talking, self.talking or main
        try:
            yield
        except self.world.mpi.Exception as error:
            # There is nobody left to work for. MPI cannot be ended in order either.
            if not self.world.is_loss(error):
                traceback.print_exc()
            os._exit(1)
        finally:
            self.talking = before

    def _hear(self, rank: int, each: Frame) -> None:
        if each[0] == Kind.QUIT:
            self._status, self._quit_at = each[1].serial, time.monotonic()
            if each[1].started:  # how rank 0 says that others were lost
                self.world.lost.add(-1)
        worker = self._worker
        if worker is None or each[0] == Kind.OPEN:
            self._frames.append(each)
        else:
            worker.take(each)

    def _employ(self, job: Employment) -> None:
        os.environ.update(job.environment)
        sys.path[:] = job.path
        context = job.opening.context
        context.scratch.mkdir(parents=True, exist_ok=True)
        self._worker = worker = (Relay if job.isolated else RankWorker)(self)
        try:
            how, faults = worker.work(job)
        finally:
            self._worker = None
        self.send((Kind.GONE, Stamp(), wire.dumps((how, faults))))

    def _on_signal(self, signum: int, frame: object) -> None:
        # The launcher's SIGTERM is for rank 0 to act upon; ours is to interrupt a handler.
        del signum, frame
        if isinstance(self._worker, RankWorker) and not self.talking:
            self._worker.unwind_if_due()

    def _watch(self) -> None:
        parent, boss = os.getppid(), self.world.controller
        here = boss.host == os.uname().nodename
        while True:
            time.sleep(_LOOK)
            if self._done:
                return
            if os.getppid() != parent or (here and not _exists(boss.pid)):
                os._exit(1)
            if self.world.threaded:
                self.poll()
            if self._quit_at and time.monotonic() > self._quit_at + _LAST:
                sys.stderr.write(
                    f"querist: rank {self.world.rank} is held by a task; it is ended.\n"
                )
                os._exit(1)


class RankWorker(Worker):
    """A handler in the rank itself.

    Args:
        station: Its rank.
    """

    def __init__(self, station: Station) -> None:
        super().__init__()
        self._station = station
        self._patience = Patience(station.world.yields)
        self._looked = 0.0
        self._busy = False  # whether a handler runs
        self._due = False  # whether it is to be interrupted

    def work(self, job: Employment) -> tuple[str, str]:
        """Open the handler, run tasks until told to close; how it ended."""
        limits = resource.getrlimit(resource.RLIMIT_DATA)
        how = "was closed"
        try:
            if self._open(job.opening):
                self._work(Context(self, job.opening))
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
            self._patience.wait()
            self._poll()

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


class Relay:
    """A worker in a child process, and the rank between it and rank 0.

    Args:
        station: Its rank.
    """

    def __init__(self, station: Station) -> None:
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
        patience = Patience(self._station.world.yields)
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


def child_environment(threads: int, gpus: str) -> dict[str, str]:
    """Variables for a worker: its threads and its GPUs."""
    return {**thread_environment(threads), VISIBLE: gpus}


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
