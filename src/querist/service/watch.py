"""Event streams of runs: views of what the page shows, when there is something new."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from querist.core.errors import QueristError
from querist.service.jobs.hub import InThread
from querist.service.live import LiveRuns

EVERY_S = 1.0
_ALIVE_S = 15.0
_SHARE = 0.2  # of the time that may go into folding a large run


class Watch:
    """Follows runs for those who look on.

    Args:
        in_thread: Runs something that blocks, away from the event loop.
    """

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread, self._runs = in_thread, LiveRuns()
        self.closing = False

    async def follow(self, folder: Path) -> AsyncGenerator[bytes]:
        """Server-sent events of a run, until the reader goes away."""
        yield b"retry: 2000\n\n"
        seen, said = -1, time.monotonic()
        while not self.closing:
            began = time.monotonic()
            try:
                seq, view = await self._in_thread(self._runs.view, folder)
            except (QueristError, OSError):
                seq, view = -2, {"status": "unreadable"}
            if seq != seen:
                seen, said = seq, time.monotonic()
                yield _encoded(seq, view)
            elif time.monotonic() - said > _ALIVE_S:
                said = time.monotonic()
                yield b": alive\n\n"
            spent = time.monotonic() - began
            await asyncio.sleep(max(EVERY_S, spent / _SHARE))


def _encoded(seq: int, view: dict[str, Any]) -> bytes:
    data = json.dumps(view, separators=(",", ":"), allow_nan=False)
    return f"id: {seq}\nevent: view\ndata: {data}\n\n".encode()
