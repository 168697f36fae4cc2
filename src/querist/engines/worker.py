"""The worker's side of an engine: one process, one handler, one task at a time.

The main thread runs tasks and sends what comes of them. In the engine ``processes`` a second thread
reads, so that a task can be cancelled, called back or joined by the next one while the first still
runs. The two share dictionaries and queues whose single operations are atomic; only sending takes a
lock.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from querist.core.answers import Failure, Reason
from querist.core.roles import Handler, WorkerContext
from querist.core.tasks import Factory, Task
from querist.engines import wire
from querist.engines.lifeline import die_with_parent
from querist.engines.opening import close_handler, failure_of, open_handler, perform
from querist.engines.wire import Frame, Kind, Stamp

FAULTS = "faults.log"


class Unwind(BaseException):
    """Ends the main thread in order, through the handler's own ``finally``."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a worker is told first.

    Attributes:
        context: For its handler.
        offset: Campaign time minus this host's monotonic clock, in seconds.
        factory: The pickled factory of its handler.
    """

    context: WorkerContext
    offset: float
    factory: bytes


def main(descriptor: int, parent: int) -> None:
    """Serve the engine at the other end of this socket until it is closed."""
    # Commands that handlers start must not hold the connection open after this process.
    os.set_inheritable(descriptor, False)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as connection:
        worker = SocketWorker(connection)
        signal.signal(signal.SIGTERM, worker.terminate)
        try:
            worker.serve()
        except Unwind:
            worker.close()


class Worker(ABC):
    """One handler, the tasks that wait for it, and a way to say what comes of them."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[wire.Part]] = {}
        self._order: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._handler: Handler | None = None
        self.current = 0
        self.stopped: set[int] = set()
        self.closing = False

    @abstractmethod
    def send(self, *frames: Frame) -> None:
        """Send frames together."""

    @abstractmethod
    def _get(self, wait: bool) -> int | None:
        """The next serial number in the queue.

        Raises:
            queue.Empty: If there is none, and it should not ``wait`` for one.
        """

    def look(self) -> None:  # noqa: B027 (most have another thread for it)
        """See whether something came, where no other thread does that."""

    @property
    def has_task(self) -> bool:
        """Whether something waits to be done."""
        return not self._order.empty()

    def close(self) -> None:
        """Close the handler, once."""
        handler, self._handler = self._handler, None
        if handler is not None:
            close_handler(handler)

    def _open(self, opening: Opening) -> bool:
        context = opening.context
        try:
            _limit_memory(context.memory_mb)
            made: Factory = wire.loads([opening.factory])
            self._handler = open_handler(made, context)
            _limit_torch(context.threads)
        # Isolation boundary: opening runs anyone's code.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            failure = failure_of(error)
            told = failure.traceback, failure.transient
            self.send((Kind.BROKEN, Stamp(), wire.dumps(told)))
            return False
        self.send((Kind.READY, Stamp(), []))
        return True

    def _take(self, kind: int, stamp: Stamp, parts: list[wire.Part]) -> None:
        serial = stamp.serial
        if kind == Kind.CLOSE:
            self._stop()
        elif kind == Kind.TASK:
            self._waiting[serial] = parts
            self._order.put(serial)
        elif self._waiting.pop(serial, None) is not None:
            self.send((Kind.RETURNED, stamp, []))
        elif kind == Kind.CANCEL and serial == self.current:
            self.stopped.add(serial)

    def _stop(self) -> None:
        self.closing = True
        self._waiting.clear()
        self._order.put(None)

    def _next(self, wait: bool) -> tuple[int, list[wire.Part]] | None:
        while True:
            serial = self._get(wait)
            if serial is None or self.closing:
                self.closing = True
                return None
            # In this order: a cancellation finds the task waiting, or else to be the current one.
            self.current = serial
            parts = self._waiting.pop(serial, None)
            if parts is not None:
                return serial, parts

    def _work(self, context: Context) -> None:
        done: list[Frame] = []
        while True:
            try:
                following = self._next(wait=not done)
            except queue.Empty:
                self.send(*done)
                done = []
                continue
            if following is None:
                self.send(*done)
                return
            serial, parts = following
            begun = context.now()
            self.send(*done, (Kind.STARTED, Stamp(serial, begun), []))
            done = [self._run(serial, parts, context, begun)]
            self.stopped.discard(serial)

    def _run(self, serial: int, parts: list[wire.Part], context: Context, begun: float) -> Frame:
        cpu = cpu_seconds()
        outcome = self._outcome(parts, context)
        kind = Kind.FAILED if isinstance(outcome, Failure) else Kind.FINISHED
        stamp = Stamp(serial, begun, context.now(), cpu_seconds() - cpu)
        try:
            body = wire.dumps(outcome)
        # Isolation boundary: what a handler returns may refuse to be pickled in any way.
        except Exception as error:  # noqa: BLE001
            failure = failure_of(error)
            message = (
                "the result cannot be sent: it should hold plain values and arrays, but "
                f"pickling it raised {failure.message}"
            )
            kind = Kind.FAILED
            body = wire.dumps(Failure(Reason.RAISED, message, failure.traceback, transient=False))
        return kind, stamp, body

    def _outcome(self, parts: list[wire.Part], context: Context) -> Mapping[str, Any] | Failure:
        try:
            task = Task(*wire.loads(parts))
        # Isolation boundary: unpickling runs anyone's code.
        except Exception as error:  # noqa: BLE001
            failure = failure_of(error)
            message = (
                f"the task's payload cannot be read in the worker: {failure.message} (classes "
                "must be importable there, so not defined in the main script)"
            )
            return Failure(failure.reason, message, failure.traceback, transient=False)
        assert self._handler is not None
        return perform(self._handler, task, context)


class SocketWorker(Worker):
    """A worker process at one end of a socket.

    Args:
        connection: To the engine.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._reader = wire.Reader()
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Open the handler, then run tasks until told to close."""
        frames = self._reader.receive(self._connection)
        while not frames:
            frames = self._reader.receive(self._connection)
        _, _, parts = frames.pop(0)
        opening: Opening = wire.loads(parts)
        threading.Thread(target=self._listen, args=(frames,), daemon=True).start()
        faults = opening.context.scratch / FAULTS
        with faults.open("w") as file:
            faulthandler.enable(file)
            if self._open(opening):
                self._work(Context(self, opening))
            self.close()
            faulthandler.disable()

    def terminate(self, signum: int, frame: FrameType | None) -> None:
        """SIGTERM: the first lets the task end, asking it to; a second one unwinds it."""
        del signum, frame
        if not self.closing:
            self._stop()
        elif self._handler is not None:
            raise Unwind

    def send(self, *frames: Frame) -> None:
        """Send frames together."""
        pieces = [piece for each in frames for piece in wire.frame(*each)]
        if sum(map(len, pieces)) <= 1 << 16:
            pieces = [b"".join(pieces)]
        with self._sending:
            wire.send_all(self._connection, pieces)

    def _get(self, wait: bool) -> int | None:
        return self._order.get(wait)

    def _listen(self, frames: list[wire.Frame]) -> None:
        try:
            while True:
                for kind, stamp, parts in frames:
                    self._take(kind, stamp, parts)
                frames = self._reader.receive(self._connection)
        finally:
            # The engine is gone, or no memory is left for what it sends: a worker that does not
            # listen must not live. Its process group goes with it.
            os.killpg(os.getpid(), signal.SIGKILL)


class Context:
    """The :class:`~querist.core.roles.TaskContext` of a worker of its own."""

    __slots__ = ("_offset", "_worker", "worker")

    def __init__(self, worker: Worker, opening: Opening) -> None:
        self._worker = worker
        self._offset = opening.offset
        self.worker = opening.context

    def should_stop(self) -> bool:
        """Whether the task was cancelled, or the worker is to close."""
        worker = self._worker
        worker.look()
        return worker.closing or worker.current in worker.stopped

    @property
    def closing(self) -> bool:
        """Whether it stops because the worker closes: work elsewhere may go on without it."""
        return self._worker.closing

    def progress(self, data: Mapping[str, Any]) -> None:
        """Send a partial result."""
        worker = self._worker
        worker.send((Kind.PROGRESS, Stamp(worker.current), wire.dumps(data)))

    def now(self) -> float:
        """Seconds of campaign time."""
        return time.monotonic() + self._offset


def cpu_seconds() -> float:
    """CPU seconds of this process, all its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _limit_memory(megabytes: int | None) -> None:
    # The data segment and private writable mappings (Linux >= 4.7), what a program allocates.
    # RLIMIT_AS would also count libraries, thread stacks and address space that is only reserved,
    # of which CUDA takes far more than there is memory.
    if megabytes is not None:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, hard))


def _limit_torch(threads: int) -> None:
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
