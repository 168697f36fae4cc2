"""Between a job's process and the server: messages one way, signals the other."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

# How a job's process may end.
DONE, SUSPENDED, CANCELLED, FAILED, LOCKED = 0, 10, 11, 12, 13
_EVERY_S = 0.25


class Interrupted(Exception):
    """The server wants this process to end."""


class Line:
    """The way back to the server.

    Args:
        descriptor: Of a pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        self._next = 0.0

    def progress(self, values: Mapping[str, Any], now: bool = False) -> None:
        """Say how far it is; not too often, unless it must be said ``now``."""
        if now or time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_S
            self._say({"progress": dict(values)})

    def end(self, result: Mapping[str, Any], error: str = "") -> None:
        """Say what came of it."""
        self._say({"result": dict(result), "error": error})

    def _say(self, message: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(message) + "\n")
        self._file.flush()


class Wish:
    """What the server wants: set by signals, read between pieces of work."""

    def __init__(self) -> None:
        self.stop = self.cancel = False
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_cancel)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def should_stop(self) -> bool:
        """Whether to end now."""
        return self.stop or self.cancel

    def _on_stop(self, *_: Any) -> None:
        self.stop = True

    def _on_cancel(self, *_: Any) -> None:
        self.cancel = True
