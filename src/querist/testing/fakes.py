"""Handlers that do something simple and known, for tests of engines and of what drives them.

Each is importable, so that it can be named in a pool: ``Factory("querist.testing.fakes:Echo...")``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.roles import TaskContext, WorkerContext
from querist.core.tasks import Factory, PoolSpec, Task
from querist.engines.link import Link


class EchoHandler:
    """Returns its payload."""

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """The payload."""
        del context
        return task.payload


class SleepHandler:
    """Sleeps for ``payload["seconds"]`` and looks at ``should_stop`` meanwhile.

    Args:
        poll: Seconds between two looks.
    """

    def __init__(self, poll: float = 0.005) -> None:
        self.poll = poll

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Whether it was ``stopped``, and the ``seconds`` that it slept."""
        begun = time.monotonic()
        until = begun + float(task.payload["seconds"])
        stopped = False
        while time.monotonic() < until and not stopped:
            time.sleep(max(0.0, min(self.poll, until - time.monotonic())))
            stopped = context.should_stop()
        return {"stopped": stopped, "seconds": time.monotonic() - begun}


class HangHandler:
    """Sleeps for ``payload["seconds"]`` and looks at nothing."""

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """An empty result, after the sleep."""
        del context
        time.sleep(float(task.payload["seconds"]))
        return {}


class FailingHandler:
    """Raises what ``payload["raise"]`` names (a built-in exception), or returns nonsense."""

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Does not return a mapping, except for an empty payload."""
        del context
        name = task.payload.get("raise")
        if name is not None:
            kinds: dict[str, type[BaseException]] = {
                kind.__name__: kind for kind in (ValueError, MemoryError, SystemExit)
            }
            raise kinds[name](task.payload.get("message", "as asked"))
        return task.payload.get("return", {})  # type: ignore[no-any-return]


class ProgressHandler:
    """Sends ``payload["steps"]`` partial results."""

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """The number of steps."""
        steps = int(task.payload["steps"])
        for step in range(steps):
            context.progress({"step": step})
        return {"steps": steps}


class ContextHandler:
    """Tells what its worker was told, and leaves notes of opening and closing in its scratch."""

    def __init__(self, notes: str = "") -> None:
        self.notes = notes
        self.context: WorkerContext | None = None

    def open(self, context: WorkerContext) -> None:
        """Keep the context."""
        self.context = context
        self._note("opened")

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """The context's fields, one random number, the process and its threads and GPUs."""
        del task
        worker = context.worker
        return {
            "name": worker.name,
            "index": worker.index,
            "device": worker.device,
            "threads": worker.threads,
            "memory_mb": worker.memory_mb,
            "scratch": str(worker.scratch),
            "run": str(worker.run),
            "random": float(worker.rng.random()),
            "same": self.context is worker,
            "now": context.now(),
            "pid": os.getpid(),
            "omp": os.environ.get("OMP_NUM_THREADS"),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        }

    def close(self) -> None:
        """Leave a note."""
        self._note("closed")

    def _note(self, word: str) -> None:
        if self.notes and self.context is not None:
            Path(self.notes, f"{self.context.name}.{word}").touch()


class BrokenHandler:
    """Cannot be opened.

    Args:
        notes: A folder; where it is given, the attempts are counted there and those after the
            first ``failures`` succeed.
        failures: How many attempts fail.
    """

    def __init__(self, notes: str = "", failures: int = 10**9) -> None:
        self.notes, self.failures = notes, failures

    def open(self, context: WorkerContext) -> None:
        """Raise, as often as asked."""
        attempts = 0
        if self.notes:
            attempts = len(list(Path(self.notes).iterdir()))
            Path(self.notes, str(attempts)).touch()
        if attempts < self.failures:
            raise ValueError(f"worker {context.name} cannot open this on purpose")

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """The payload, where it was opened after all."""
        del context
        return task.payload


class DyingHandler:
    """Ends its process as ``payload["how"]`` says: "exit", "kill", "segfault", or not at all.

    "hog" sleeps in compiled code that keeps every other thread of the process from running. With
    ``payload["children"]`` it first starts commands that would outlive it.
    """

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """The payload and the processes, if the process still lives."""
        del context
        pids = [start_sleeper(detached) for detached in task.payload.get("children", ())]
        if "pids" in task.payload:
            Path(task.payload["pids"]).write_text(" ".join(map(str, [os.getpid(), *pids])))
        how = task.payload.get("how", "")
        if how == "exit":
            os._exit(int(task.payload.get("status", 7)))
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "segfault":
            ctypes.string_at(0)
        if how == "hog":
            ctypes.PyDLL(None).sleep(60)
        if "seconds" in task.payload:
            time.sleep(float(task.payload["seconds"]))
        return {"pid": os.getpid(), "children": pids}


class ArrayHandler:
    """Makes, or sums up, ``payload["megabytes"]`` of numbers."""

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """The ``array``, or the ``sum`` of the payload's one; always the ``allocated`` bytes."""
        del context
        if "array" in task.payload:
            return {"sum": float(task.payload["array"].sum())}
        array = np.ones(int(task.payload["megabytes"]) << 17)
        return {"array": array, "allocated": array.nbytes}


class UnsendableHandler:
    """Returns something that cannot be pickled."""

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """A function without a name."""
        del task, context
        return {"function": lambda: None}


class PartyHandler:
    """Talks to the others of its party: sends them numbered bytes, and sends back what it gets."""

    link: Link | None = None

    def open(self, context: WorkerContext) -> None:
        """Keep the link."""
        self.name, self.link = context.name, context.link

    def serve(self, context: TaskContext) -> None:
        """Send everything back, marked."""
        while self.link is not None and not context.should_stop():
            for sender, data in self.link.receive(0.01):
                self.link.send(sender, b"echo" + data[4:])

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """The ``peers``, and how many messages each of ``to`` sent back whole and in order."""
        payload = task.payload
        if payload.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(payload.get("seconds", 0.0))
        if self.link is None:
            return {"peers": None}
        wanted = [name for name in payload.get("to", ()) if name != self.name]
        echoed = dict.fromkeys(wanted, 0)
        body = bytes(int(payload.get("megabytes", 0)) << 20)
        self.link.receive(0.0)  # who is there
        for number in range(payload.get("count", 0)):
            for name in wanted:
                self.link.send(name, b"ping" + number.to_bytes(4, "big") + body)
        while min(echoed.values(), default=payload.get("count", 0)) < payload.get("count", 0):
            for sender, data in self.link.receive(0.01):
                if data[:4] == b"echo" and sender in echoed:
                    expected = b"echo" + echoed[sender].to_bytes(4, "big") + body
                    if bytes(data) != expected:
                        raise ValueError(f"{sender} sent {len(data)} other bytes back")
                    echoed[sender] += 1
                elif data[:4] == b"ping":
                    self.link.send(sender, b"echo" + data[4:])
        return {"name": self.name, "peers": dict(self.link.peers), "echoed": echoed}


def start_sleeper(detached: bool, seconds: float = 60.0) -> int:
    """Start a command that does nothing; its process number.

    Args:
        detached: In a session of its own, where no signal to its parent's group reaches it.
        seconds: How long it lives if nobody ends it.
    """
    command = [sys.executable, "-S", "-c", f"import time; time.sleep({seconds})"]
    return subprocess.Popen(command, start_new_session=detached).pid


def pool(name: str = "work", handler: str = "EchoHandler", **fields: Any) -> PoolSpec:
    """A pool of one of these handlers.

    Args:
        name: Of the pool.
        handler: Name of a class in this module.
        fields: Of :class:`~querist.core.tasks.PoolSpec`; ``options`` are the handler's own.
    """
    options = fields.pop("options", {})
    return PoolSpec(name, Factory(f"{__name__}:{handler}", options), **fields)
