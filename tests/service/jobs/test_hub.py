"""Event streams: what a look at the index costs with many followers."""

from __future__ import annotations

import asyncio
from typing import Any

from querist.service.jobs import hub
from querist.service.jobs.hub import Hub

JOBS, EACH = 300, 4


class Event(dict):
    """An event that counts how often something of it is read."""

    reads = 0

    def __getitem__(self, name: str) -> Any:
        Event.reads += 1
        return super().__getitem__(name)


def test_a_look_reads_the_events_of_a_job_for_those_who_follow_it(monkeypatch) -> None:
    events = [Event(job=f"job_{n % JOBS}", seq=n + 1, state="running") for n in range(JOBS * EACH)]
    monkeypatch.setattr(hub, "events_after", lambda connection, ids, seq: events)
    monkeypatch.setattr(
        hub,
        "shown_by_ids",
        lambda connection, ids: {id: {"state": "running", "progress": {}} for id in ids},
    )

    class NoIndex:
        def read(self) -> Any:
            from contextlib import nullcontext

            return nullcontext()

    async def look() -> list[int]:
        async def in_thread(function, *given):
            return function(*given)

        told = Hub(NoIndex(), in_thread)
        followers = [hub._Follower(f"job_{n}", 0) for n in range(JOBS)]
        told._followers.update(followers)
        task = asyncio.get_running_loop().create_task(told._look())
        await asyncio.gather(*(one.waiting.get() for one in followers))
        told.closing = True
        task.cancel()
        return [one.seq for one in followers]

    newest = asyncio.run(look())
    assert newest == [JOBS * (EACH - 1) + n + 1 for n in range(JOBS)]
    assert Event.reads < 5 * len(events)
