"""How far a query is: a small file that whoever runs the query renews several times a second."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from querist.core.events import Event, Fact
from querist.pool.query_state import CHUNK, ENDED, QueryState
from querist.store.errors import StoreError
from querist.store.files import atomic_write
from querist.store.lock import known_dead

FILE = "status.json"
_EVERY = 0.4  # seconds between two writings
_MEASURED = 30.0  # seconds over which the rate is taken

QUEUED, RUNNING, CANCELLING, STOPPED = "queued", "running", "cancelling", "stopped"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"


class QueryStatus(NamedTuple):
    """How far a query is.

    Attributes:
        id: Of the query.
        state: queued, running, cancelling, stopped (run it again to go on), done, failed (running
            it again goes on, too) or cancelled.
        stage: What it does: "listing", "scan of ..." or "select".
        done, total: Items; ``total`` is None before they are listed.
        failed: Items that could not be read, decoded or inferred.
        rate: Items a second, of late.
        seconds_left: An estimate; None where there is no rate.
        memory_mb: Resident memory of all workers, as they last said.
        held_mb: Of that, what lies between the stages; its bound is ``scan.memory_mb`` a worker.
        counts: What was read, decoded, inferred and found in caches; sums over the query.
        message: What the query said last.
        error: Why it failed, or was cancelled.
    """

    id: str
    state: str = QUEUED
    stage: str = ""
    done: int = 0
    total: int | None = None
    failed: int = 0
    rate: float | None = None
    seconds_left: float | None = None
    memory_mb: float = 0.0
    held_mb: float = 0.0
    counts: Mapping[str, int] = {}
    message: str = ""
    error: str = ""


Progress = Callable[[QueryStatus], None]


class StatusWriter:
    """Follows a query as the driver's watcher; writes the file, and calls whoever wants to know.

    Args:
        folder: Of the query.
        id: Of the query.
        parts: Number of rows by part.
        state: Of the query, folded by its controller.
        progress: Called with every new status.
    """

    def __init__(
        self,
        folder: Path,
        id: str,
        parts: Mapping[str, int],
        state: QueryState,
        progress: Progress | None = None,
    ) -> None:
        self._path, self._parts, self._state, self._progress = folder / FILE, parts, state, progress
        self._memory: dict[str, tuple[float, float]] = {}
        self._done = sum(state.items_done(part) for part in parts)
        self._points: deque[tuple[float, int]] = deque([(time.monotonic(), self._done)])
        self._status = QueryStatus(id, RUNNING, total=sum(parts.values()))
        self._next = 0.0
        self._told: float | None = None

    def event(self, event: Event, now: float) -> None:
        """Nothing: what counts is recorded."""

    def say(self, level: str, message: str) -> None:
        """Keep what the controller says."""
        self._status = self._status._replace(message=message)

    def fact(self, fact: Fact) -> None:
        """Follow what is recorded (before the controller's state has it)."""
        if fact.kind == CHUNK:
            data = fact.data
            self._done += data["stop"] - data["start"]
            self._told = data.get("rate")
            self._points.append((time.monotonic(), self._done))
            while self._points[-1][0] - self._points[1][0] > _MEASURED:
                self._points.popleft()
            if "memory_mb" in data:
                self._memory[data["worker"]] = data["memory_mb"], data["held_mb"]
        elif fact.kind == ENDED:
            self._next = 0.0

    def refresh(self, now: float) -> None:
        """Write the file when it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            self.write(self.current())

    def current(self) -> QueryStatus:
        """The status now."""
        state, rate = self._state, self._rate()
        total = sum(self._parts.values())
        left = None if not rate else (total - self._done) / rate
        memory = [*self._memory.values()]
        return self._status._replace(
            stage=self._stage(),
            done=self._done,
            failed=state.counts["failed"],
            rate=rate,
            seconds_left=left,
            memory_mb=sum(resident for resident, _ in memory),
            held_mb=sum(held for _, held in memory),
            counts=dict(state.counts),
        )

    def _stage(self) -> str:
        for part, count in self._parts.items():
            if self._state.items_done(part) < count:
                return f"scan of {part}"
        return "select"

    def _rate(self) -> float | None:
        if len(self._points) < 3:  # the first unit opened the model; it knows its rate beside that
            return self._told
        (first, before), (last, after) = self._points[1], self._points[-1]
        return (after - before) / (last - first) if last > first else None

    def end(self, state: str, error: str = "") -> None:
        """Write the last status."""
        stage = "" if state == DONE else self.current().stage
        self.write(self.current()._replace(state=state, stage=stage, error=error, seconds_left=0.0))

    def write(self, status: QueryStatus) -> None:
        """Write a status; a full disk is no reason to stop."""
        write_status(self._path.parent, status)
        if self._progress is not None:
            self._progress(status)


def write_status(folder: Path, status: QueryStatus) -> None:
    """Write the file, with who writes it."""
    told = {**status._asdict(), "pid": os.getpid(), "host": socket.gethostname()}
    with suppress(StoreError):
        atomic_write(folder / FILE, json.dumps(told).encode(), sync=False)


def read_status(folder: Path, id: str) -> QueryStatus:
    """What the file says; of a query whose process is gone, that it is stopped."""
    try:
        told: dict[str, Any] = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return QueryStatus(id)
    pid, host = told.pop("pid", 0), told.pop("host", "")
    known = {name: told[name] for name in QueryStatus._fields if name in told}
    status = QueryStatus(**known)
    if status.state in (RUNNING, CANCELLING) and known_dead(pid, host):
        return status._replace(state=STOPPED, rate=None, seconds_left=None, message="interrupted")
    return status
