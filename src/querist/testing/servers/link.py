"""A slow link: latency and bandwidth, as times at which bytes come through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Link:
    """A line that all connections of a server share.

    Attributes:
        latency: Seconds from a request to the first byte of its answer (one round trip).
        rate: Bytes a second from the server, of all connections together; 0 for any number.
    """

    latency: float = 0.0
    rate: float = 0.0
    _free: float = field(default=0.0, init=False)

    def through(self, now: float, size: int) -> float:
        """When the last of ``size`` bytes, handed over ``now``, is through."""
        if not self.rate:
            return now
        self._free = max(self._free, now) + size / self.rate
        return self._free


class LoopThread:
    """An asyncio loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=30)

    def call(self, work: Callable[[], object]) -> None:
        """Run a function there and wait for it."""

        async def called() -> None:
            work()

        self.run(called())

    def stop(self) -> None:
        """End what still runs, then the loop and its thread."""
        self.run(_cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=30)
        self.loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
