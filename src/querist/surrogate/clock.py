"""Seconds of a surrogate's life: they go on where they stopped, whoever opens it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from querist.store.lock import known_dead


class Clock:
    """Counts from what was reached, plus what has passed since where others are at work.

    Args:
        reached: Largest time in the journal.
        passed: Seconds since then that count: 0 where nobody was there.
    """

    def __init__(self, reached: float = 0.0, passed: float = 0.0) -> None:
        self._origin = time.monotonic() - reached - max(0.0, passed)

    def __call__(self) -> float:
        """Now, in seconds."""
        return time.monotonic() - self._origin


def someone(sessions: Mapping[str, tuple[str, int]]) -> bool:
    """Whether one of these sessions is alive, as far as can be known from here."""
    return any(not known_dead(pid, host) for host, pid in sessions.values())
