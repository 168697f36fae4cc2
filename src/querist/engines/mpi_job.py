"""What a rank is told when it becomes a worker, and what it needs of its place."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from querist.engines.gpus import VISIBLE
from querist.engines.machine import thread_environment
from querist.engines.mpi_link import MpiLink
from querist.engines.mpi_world import World
from querist.engines.wire import Frame
from querist.engines.worker import Opening

_SHORTEST, _LONGEST = 20e-6, 1e-3  # seconds between two looks for messages
_QUIET, _RESTING = 500, 5e-3  # looks in vain after which a rank rests, and seconds between two then


@dataclass(frozen=True, slots=True)
class Employment:
    """What a rank is told when it becomes a worker.

    Attributes:
        opening: As for any worker.
        pool: Its pool's name.
        isolated: Whether it works in a child process.
        environment: Variables that it shall have.
        path: Where rank 0 imports from.
        joins: Whether it may talk to other workers.
    """

    opening: Opening
    pool: str
    isolated: bool
    environment: Mapping[str, str]
    path: tuple[str, ...]
    joins: bool = False


class Patience:
    """Waits shortly at first, then longer: quick when busy, no load when idle.

    Args:
        yields: How often it only gives way before it sleeps. Where ranks share cores this is slow:
            the others' turns are longer than a sleep.
        rests: Whether it sleeps longer still where nothing has come for half a second: a look costs
            20 microseconds of a core, which idle ranks take from those that work.
    """

    __slots__ = ("_rests", "_turn", "_yields")

    def __init__(self, yields: int, rests: bool = False) -> None:
        self._turn, self._yields, self._rests = 0, yields, rests

    def reset(self) -> None:
        """Something happened."""
        self._turn = 0

    def next(self) -> float:
        """Seconds to sleep now; 0 is to give way only."""
        self._turn += 1
        over = self._turn - self._yields
        if over > _QUIET and self._rests:
            return _RESTING
        return 0.0 if over < 0 else min(_LONGEST, _SHORTEST * 2 ** min(over // 4, 10))

    def wait(self) -> None:
        """Sleep, or give way."""
        seconds = self.next()
        if seconds:
            time.sleep(seconds)
        else:
            os.sched_yield()


class Post(Protocol):
    """Where a rank works: its way to rank 0."""

    world: World

    def send(self, *frames: Frame) -> None:
        """Send frames to rank 0."""

    def poll(self) -> bool:
        """Take what has come from rank 0; whether there was anything."""

    def link(self) -> MpiLink:
        """To the other workers of a party."""


def child_environment(threads: int, gpus: str) -> dict[str, str]:
    """Variables for a worker: its threads and its GPUs."""
    return {**thread_environment(threads), VISIBLE: gpus}
