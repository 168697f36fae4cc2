"""A rank other than 0: whatever worker rank 0 makes of it, one after the other."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from querist.engines import wire
from querist.engines.mpi_job import Employment, Patience
from querist.engines.mpi_link import MpiLink
from querist.engines.mpi_wire import Channel
from querist.engines.mpi_worker import RankWorker, Relay
from querist.engines.mpi_world import World
from querist.engines.wire import Frame, Kind, Stamp

_LOOK = 0.02  # seconds between two looks of the helper thread
_SHORTEST = 20e-6  # seconds between two looks whether all has left
_LAST = 4.0  # seconds that a handler may go on after the job was told to end


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
        self._link: MpiLink | None = None
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
        patience = Patience(self.world.yields, rests=True)
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

    def link(self) -> MpiLink:
        """To the other workers of a party; kept over its workers, for the messages are the rank's.

        One link serves all workers that the rank is, so what came for an earlier one is told apart
        by who is there.
        """
        if self._link is None:
            world = self.world
            self._link = MpiLink(world.mpi, world.side, self, world.is_loss)
        return self._link

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


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
