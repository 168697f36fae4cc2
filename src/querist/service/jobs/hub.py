"""Event streams of jobs: one look at the index for all streams, not one for each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from querist.service.index.index import Index, Row
from querist.service.jobs.records import events_after, shown_by_ids, told
from querist.service.wire.jobs import JobState

EVERY_S = 0.4
_ALIVE_S = 15.0
Look = tuple[dict[str, Row], list[Row]]
InThread = Callable[..., Awaitable[Any]]


@dataclass(slots=True, eq=False)
class _Follower:
    job: str
    seq: int
    waiting: asyncio.Queue[tuple[Row | None, list[Row]]] = field(
        default_factory=lambda: asyncio.Queue(maxsize=16)
    )


class Hub:
    """Looks at the jobs that are followed, and tells their followers.

    Args:
        index: Where the jobs are.
        in_thread: Runs something that blocks, away from the event loop.
    """

    def __init__(self, index: Index, in_thread: InThread) -> None:
        self._index, self._in_thread = index, in_thread
        self._followers: set[_Follower] = set()
        self._task: asyncio.Task[None] | None = None
        self.closing = False

    async def follow(self, job: str, last_event: str) -> AsyncGenerator[bytes]:
        """Server-sent events of a job, from after ``last_event`` ("" for the beginning) to its end.

        State changes are never missed, as each has a number; of the progress in between there is
        the latest.
        """
        follower = _Follower(job, _number(last_event))
        self._followers.add(follower)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())
        try:
            yield b"retry: 2000\n\n"
            async for part in self._parts(follower):
                yield part
        finally:
            self._followers.discard(follower)

    async def _parts(self, follower: _Follower) -> AsyncIterator[bytes]:
        told_last, steps = None, 0
        while not self.closing:
            try:
                row, events = await asyncio.wait_for(follower.waiting.get(), _ALIVE_S)
            except TimeoutError:
                yield b": alive\n\n"
                continue
            if row is None:  # the job was removed
                return
            for event in events:
                steps = 0
                yield _encoded(f"{event['seq']}", "state", {**row, "state": event["state"]})
            if JobState(row["state"]).final:
                yield _encoded(f"{follower.seq}.end", "end", row)
                return
            if row["progress"] != told_last:
                told_last, steps = row["progress"], steps + 1
                yield _encoded(f"{follower.seq}.{steps}", "progress", row)

    async def _look(self) -> None:
        while self._followers and not self.closing:
            followers = list(self._followers)
            try:
                rows, events = await self._in_thread(
                    self._read, {one.job for one in followers}, min(one.seq for one in followers)
                )
            except Exception:  # noqa: BLE001 - the database is away for a moment: look again
                await asyncio.sleep(EVERY_S * 5)
                continue
            by_job: dict[str, list[Row]] = {}
            for event in events:
                by_job.setdefault(event["job"], []).append(event)
            for follower in followers:
                _tell(follower, rows.get(follower.job), by_job.get(follower.job, []))
            await asyncio.sleep(EVERY_S)

    def _read(self, jobs: set[str], seq: int) -> Look:
        ids = sorted(jobs)
        with self._index.read() as connection:
            events = events_after(connection, ids, seq)
            return shown_by_ids(connection, ids), events


def _tell(follower: _Follower, row: Row | None, events: list[Row]) -> None:
    """Tell a follower the state of its job, and those of its events that are new to it."""
    if follower.waiting.full():  # a slow reader; it gets these events at the next look
        return
    mine = [one for one in events if one["seq"] > follower.seq]
    if mine:
        follower.seq = mine[-1]["seq"]
    follower.waiting.put_nowait((row, mine))


def _number(last_event: str) -> int:
    digits = last_event.partition(".")[0]
    return int(digits) if digits.isdigit() and len(digits) < 18 else 0


def _encoded(number: str, event: str, row: Row) -> bytes:
    data = json.dumps(told(row).model_dump(mode="json"), separators=(",", ":"))
    return f"id: {number}\nevent: {event}\ndata: {data}\n\n".encode()
