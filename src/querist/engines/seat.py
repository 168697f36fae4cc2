"""The engine's side of one worker: starting it, talking to it, noticing its end.

A seat keeps its name and its place in the pool; the workers that sit in it come and go.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from querist.core.tasks import PoolSpec, Task, without_rank
from querist.engines import wire
from querist.engines.gpus import VISIBLE
from querist.engines.lifeline import MARK, new_mark, send
from querist.engines.machine import thread_environment
from querist.engines.opening import worker_name
from querist.engines.wire import Frame, Kind, Stamp
from querist.engines.worker import FAULTS, Opening

_PIECES = 64  # sent at once; the system's own limit is 1024
_BOOT = "import sys; sys.path[:] = {}; from querist.engines.worker import main; main({}, {})"


@dataclass(slots=True, eq=False)
class Entry:
    """A task that was submitted and has not ended.

    Attributes:
        serial: Its number on the wire; a task's id may come again, this does not.
        submitted: Seconds of campaign time.
        seat: Where it was sent, None while it waits in its pool.
        running: Whether the worker said that it began.
        recalled: Whether it was called back from a busy worker.
        losses: How many workers died while it waited in them.
        cancelled: Why it is to be stopped; "" while it is not.
        hard: Whether its worker may be killed for that.
        reported: Whether its end was reported already, so that nothing else is.
    """

    serial: int
    task: Task
    submitted: float
    seat: Seat | None = None
    running: bool = False
    recalled: bool = False
    losses: int = 0
    cancelled: str = ""
    hard: bool = False
    reported: bool = False


class Seat(ABC):
    """One worker's place: what the engine knows of it. How it is talked to depends on its kind.

    Args:
        spec: Its pool.
        index: Its number in the pool.
        device: Of its workers.
    """

    def __init__(self, spec: PoolSpec, index: int, device: str) -> None:
        self.name = worker_name(spec.name, index)
        self.spec, self.index, self.device = spec, index, device
        self.life = -1
        self.ready = False
        self.opened = False  # whether the present or last worker was ever ready
        self.lost = False  # whether nobody can sit here any more
        self.next_pool = ""  # that its worker is to serve as soon as it has nothing to do
        self.dismissed = False  # whether it was told to close for that
        self.troubles = 0  # deaths in a row without a finished task
        self.failed_openings = 0  # in a row
        self.story = ""  # what it said, or what was done to it, before it ended
        self.waiting: dict[int, Entry] = {}
        self.running: Entry | None = None
        self.began = 0.0  # when the running task was seen to begin, campaign time

    @property
    def load(self) -> int:
        """Tasks in the worker."""
        return len(self.waiting) + (self.running is not None)

    @property
    def bound(self) -> bool:
        """Whether its worker must stay until something else has happened."""
        return False

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether somebody sits here."""

    @abstractmethod
    def send(self, kind: Kind, stamp: Stamp, parts: list[wire.Part] | None = None) -> None:
        """Put a frame into the queue that :meth:`flush` sends."""

    @abstractmethod
    def flush(self) -> None:
        """Send what can be sent now; the rest follows by itself."""

    @abstractmethod
    def kill(self, why: str) -> None:
        """End the worker now."""

    @abstractmethod
    def terminate(self) -> None:
        """Ask the worker to end; after a CLOSE this unwinds its task."""

    @abstractmethod
    def end(self) -> None:
        """Last of all, after :meth:`kill`: wait for its end, as far as that is sure to come."""

    @abstractmethod
    def faults(self) -> str:
        """The Python stacks at a crash of the last worker, "" when there are none."""

    def _begin(self) -> None:
        """A new worker is about to come."""
        self.life += 1
        self.ready, self.opened, self.story = False, False, ""


class ProcessSeat(Seat):
    """A seat for processes that are started here; they come and go.

    Args:
        spec: Its pool.
        index: Its number in the pool.
        device: Of its workers.
        selector: Where its connection and its process are watched, with this seat as data.
    """

    def __init__(
        self, spec: PoolSpec, index: int, device: str, selector: selectors.BaseSelector
    ) -> None:
        super().__init__(spec, index, device)
        self.gpus: str | None = None  # that its workers see; None for those of this process
        self.mark = ""
        self.pid = 0  # of the present or the last process
        self.process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._pidfd = -1
        self._selector = selector
        self._reader = wire.Reader()
        self._out: deque[wire.Part] = deque()
        self._full = False  # whether the connection takes no more for the moment
        self._faults = Path()

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.process is not None

    def launch(self, opening: Opening, spawner: Executor) -> None:
        """Start a process.

        Args:
            opening: What it is told.
            spawner: Has one thread, which lives as long as the engine: the kernel ends the
                process with the thread that started it.

        Raises:
            OSError: If the system starts no process.
        """
        self._begin()
        self.pid, self.mark = 0, new_mark()
        self._faults = opening.context.scratch / FAULTS
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                command = self._command(theirs.fileno())
                start: Callable[[], subprocess.Popen[bytes]] = lambda: subprocess.Popen(  # noqa: E731
                    command,
                    stdin=subprocess.DEVNULL,
                    env={
                        **without_rank(os.environ),
                        **thread_environment(opening.context.threads),
                        **({} if self.gpus is None else {VISIBLE: self.gpus}),
                        MARK: self.mark,
                    },
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
                self.process = spawner.submit(start).result()
                self.pid = self.process.pid
            except BaseException:
                ours.close()
                raise
        self._attach(ours)
        self.send(Kind.OPEN, Stamp(), wire.dumps(opening))
        self.flush()

    def _command(self, descriptor: int) -> list[str]:
        boot = _BOOT.format(sys.path, descriptor, os.getpid())
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        return [sys.executable, *flags, "-c", boot, "querist-worker", self.name]

    def _attach(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection, self._reader, self._full = connection, wire.Reader(), False
        self._selector.register(connection, selectors.EVENT_READ, self)
        if hasattr(os, "pidfd_open"):
            # Where there is none, the connection's end tells; a fork of the worker may hold it.
            with suppress(OSError):
                self._pidfd = os.pidfd_open(self.pid)
                self._selector.register(self._pidfd, selectors.EVENT_READ, self)

    def send(self, kind: Kind, stamp: Stamp, parts: list[wire.Part] | None = None) -> None:
        """Put a frame into the queue that :meth:`flush` sends."""
        if self._connection is not None:
            self._out.extend(wire.frame(kind, stamp, parts or ()))

    def flush(self) -> None:
        """Send what the connection takes now; the rest follows when it takes more."""
        if self._connection is None or not self._out:
            return
        try:
            while self._out:
                self._sent(self._connection.sendmsg(islice(self._out, _PIECES)))
            full = False
        except BlockingIOError:
            full = True
        except OSError:  # it has ended, which is noticed elsewhere
            self._out.clear()
            return
        if full != self._full:
            self._full = full
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if full else 0)
            self._selector.modify(self._connection, wanted, self)

    def _sent(self, count: int) -> None:
        while self._out and count >= len(self._out[0]):
            count -= len(self._out.popleft())
        if count:
            self._out[0] = memoryview(self._out[0])[count:]

    def receive(self, everything: bool = False) -> list[Frame]:
        """The frames of one read, or all that are there. A connection that ended is detached."""
        frames: list[Frame] = []
        try:
            while self._connection is not None:
                frames += self._reader.receive(self._connection)
                if not everything:
                    break
        except BlockingIOError:
            pass
        except (EOFError, OSError):
            self._detach()
        return frames

    @property
    def connected(self) -> bool:
        """Whether anything can still come."""
        return self._connection is not None

    def _detach(self) -> None:
        if self._connection is not None:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None
            self._out.clear()

    def kill(self, why: str) -> None:
        """End the process now; what it started is ended when its end is noticed."""
        self.story = self.story or why
        if self.process is not None and self.process.poll() is None:
            send(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the process to end: the second demand, after a CLOSE, unwinds its task."""
        if self.process is not None and self.process.poll() is None:
            send(self.pid, signal.SIGTERM)

    def end(self) -> None:
        """Wait for the process, which was killed."""
        if self.process is not None:
            self.process.wait()
        self.reap()

    def reap(self) -> str | None:
        """How the process ended, in words; None while it has not."""
        if self.process is None:
            return None
        code = self.process.poll()
        if code is None:
            return None
        self._detach()
        if self._pidfd >= 0:
            self._selector.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self.process = None
        self.ready = False
        return describe_exit(code)

    def faults(self) -> str:
        """The Python stacks at a crash of the last process, "" when there are none."""
        try:
            return self._faults.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def describe_exit(code: int) -> str:
    """An exit status as the end of a sentence that begins with the process."""
    if code >= 0:
        return f"ended with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    hint = {
        "SIGSEGV": " (a crash in compiled code)",
        "SIGABRT": " (a crash in compiled code)",
        "SIGKILL": " (by somebody, or because memory ran out)",
    }.get(name, "")
    return f"was killed by signal {-code}, {name}{hint}"
