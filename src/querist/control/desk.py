"""What the parts of a controller share: commands on their way out, task ids, deadlines."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from querist.core.batch import Array
from querist.core.events import (
    Acknowledge,
    Cancel,
    Command,
    Fact,
    Finish,
    Move,
    Record,
    Say,
    Submit,
)
from querist.core.tasks import Spans, Task

NO_ARRAYS: Mapping[str, Array] = MappingProxyType({})


class Desk:
    """Collects commands; numbers tasks and records.

    Args:
        seq: Sequence number of the last record in the journal.
        epoch: Number of resumes, part of task ids so that they are unique over resumes.
        owner: The controller's name in engines that serve several.

    Attributes:
        held: Whether its run is paused with nothing on its way, so that it waits for people only.
    """

    def __init__(self, seq: int = 0, epoch: int = 0, owner: str = "") -> None:
        self.seq, self.epoch, self.owner = seq, epoch, owner
        self.now = 0.0
        self.held = False
        self._tasks = 0
        self._commands: list[Command] = []
        self._deadlines: list[float] = []

    def take(self) -> list[Command]:
        """All commands since the last call."""
        commands, self._commands = self._commands, []
        return commands

    def submit(
        self,
        kind: str,
        pool: str,
        payload: Mapping[str, Any],
        timeout: float | None = None,
        attempt: int = 1,
        items: int = 1,
    ) -> Task:
        """Command a task and return it; the arguments are the task's fields."""
        self._tasks += 1
        name = f"{kind}-{self.epoch}-{self._tasks}"
        task = Task(name, kind, pool, payload, None, timeout, attempt, items, self.owner)
        self._commands.append(Submit(task))
        return task

    def cancel(self, task: str, why: str, *, hard: bool = True) -> None:
        """Command the end of a task."""
        self._commands.append(Cancel(task, why, hard))

    def move(self, source: str, target: str) -> None:
        """Command that a worker of one pool serves another."""
        self._commands.append(Move(source, target))

    def record(
        self, kind: str, data: dict[str, Any], arrays: Mapping[str, Array] = NO_ARRAYS
    ) -> tuple[int, Fact]:
        """Command a record; returns its sequence number and the fact.

        Args:
            kind: What it says.
            data: What it says of it. It becomes the fact's own, with the time "t" added.
            arrays: As of the fact.
        """
        self.seq += 1
        data["t"] = self.now
        fact = Fact(kind, data, arrays)
        self._commands.append(Record(fact, self.seq))
        return self.seq, fact

    def say(self, level: str, message: str) -> None:
        """Command a sentence for the person who watches."""
        self._commands.append(Say(level, message))

    def acknowledge(self, message: str) -> None:
        """Command the removal of a posted message that is durable now."""
        self._commands.append(Acknowledge(message))

    def finish(self, status: str, reason: str, posted: Iterable[str] = ()) -> None:
        """Command the end, and the removal of messages whose records are durable once it came."""
        self._commands.append(Finish(status, reason))
        self._commands += map(Acknowledge, posted)

    def wake_at(self, when: float) -> None:
        """Ask for a tick at ``when``."""
        heapq.heappush(self._deadlines, when)

    def next_deadline(self) -> float | None:
        """The earliest tick asked for that is still to come."""
        while self._deadlines and self._deadlines[0] <= self.now:
            heapq.heappop(self._deadlines)
        return self._deadlines[0] if self._deadlines else None


def spans_json(spans: Spans) -> dict[str, float]:
    """Spans as the journal keeps them, microseconds kept."""
    # Whole microseconds over a million print as short as what round() gives, which takes longer.
    return {
        "submitted": int(spans.submitted * 1e6 + 0.5) / 1e6,
        "started": int(spans.started * 1e6 + 0.5) / 1e6,
        "finished": int(spans.finished * 1e6 + 0.5) / 1e6,
        "received": int(spans.received * 1e6 + 0.5) / 1e6,
        "cpu": int(spans.cpu * 1e6 + 0.5) / 1e6,
    }


def prefixed(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays under longer names, as facts hold a sample's or a label's."""
    longer = {}
    for name, value in arrays.items():
        longer[prefix + name] = value
    return longer


def without_prefix(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Those that have the prefix, without it: what :func:`prefixed` got."""
    shorter, length = {}, len(prefix)
    for name, value in arrays.items():
        if name[:length] == prefix:
            shorter[name[length:]] = value
    return shorter
