"""Messages between the ranks of one explorer: their kinds, and who gets what of them.

The *lead* of an explorer runs its slices; generators and further predictors live in other workers
of its party. Everything here is a lead's or a satellite's own: the engine only carries bytes.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from querist.campaign.handlers.records import Buffer
from querist.core.errors import QueristError, RunError
from querist.core.roles import WorkerContext

_BITS = 2**32 - 1
Take = Callable[[str, Buffer], object]
Messages = Sequence[tuple[str, Buffer]]


class Kind(IntEnum):
    """First byte of a message.

    To a generator's rank: WAKE to INITIAL; a predictor's: COMING to PREDICT; the lead: the others.
    """

    WAKE = 1
    TELL = 2
    REPLY = 3
    INITIAL = 4
    COMING = 5
    LOAD = 6
    PREDICT = 7
    HELLO = 10
    PROPOSAL = 11
    RESTS = 12
    FIRST = 13
    PREDICTED = 14
    ERROR = 15
    FAILED = 16


class RemoteFailure(QueristError):
    """What a role raised in another rank of an explorer; its traceback is a note."""


def rare(kind: Kind, value: Any) -> bytes:
    """A message of a kind that is not on the fast path."""
    return bytes([kind]) + pickle.dumps(value, 5)


def value_of(data: Buffer) -> Any:
    """What :func:`rare` was given; it comes from a process of the same run."""
    return pickle.loads(memoryview(data)[1:])


def failure(error: BaseException) -> tuple[str, str]:
    """An exception as a sentence and its traceback."""
    import traceback

    said = "".join(traceback.format_exception_only(error)).strip()
    return said, "".join(traceback.format_exception(error))


def raised(who: str, said: tuple[str, str]) -> RemoteFailure:
    """The exception to be raised for what went wrong in another rank."""
    error = RemoteFailure(f"{said[0]} (in {who})")
    error.add_note(said[1])
    return error


def _nothing(messages: Messages) -> None:
    del messages


class Meter:
    """Seconds that this rank worked for its explorer, since it was opened; told in microseconds."""

    __slots__ = ("_begun", "_seconds")

    def __init__(self) -> None:
        self._seconds = self._begun = 0.0

    def begin(self) -> None:
        """Work begins."""
        self._begun = time.perf_counter()

    def end(self) -> int:
        """Work ends, just before its result is sent: all of it, in 32 bits."""
        self._seconds += time.perf_counter() - self._begun
        self._begun = time.perf_counter()
        return int(self._seconds * 1e6) & _BITS


class Busy:
    """What the ranks of an explorer said of their work, between two slices.

    Attributes:
        meters: What each rank's meter says; written with each of its messages.
    """

    def __init__(self) -> None:
        self.meters: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def take(self) -> dict[str, float]:
        """Seconds by rank since the last time."""
        new = {rank: (us - self._told.get(rank, us)) & _BITS for rank, us in self.meters.items()}
        self._told = dict(self.meters)
        return {rank: us / 1e6 for rank, us in new.items() if us < _BITS // 2}  # else another life


class Board:
    """Gives messages to whom they concern, and says who is there.

    Args:
        context: Of this worker.

    Raises:
        RunError: If this engine joins no workers.
    """

    def __init__(self, context: WorkerContext) -> None:
        if context.link is None:
            raise RunError(
                f"{context.name!r} should share its work with other ranks, but its engine does "
                "not join workers; use the engine 'mpi', or placement: colocated."
            )
        self.link = context.link
        self._takers: dict[int, Take] = {}
        self._crowd = -1
        self._take_crowd: Callable[[Messages], object] = _nothing
        self._lives: Mapping[str, int] = {}
        self.busy = Busy()
        self._changed: list[Callable[[], None]] = []

    def on(self, kind: Kind, take: Take) -> None:
        """Let ``take(sender, message)`` have messages of a kind."""
        self._takers[kind] = take

    def on_many(self, kind: Kind, take: Callable[[Messages], object]) -> None:
        """Let ``take(messages)`` have all messages of a kind that are there at once."""
        self._crowd, self._take_crowd = kind, take

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call this when somebody came or went."""
        self._changed.append(changed)

    @property
    def lives(self) -> Mapping[str, int]:
        """Who is there, and in which life; another object when that changes."""
        return self._lives

    def life(self, name: str) -> int | None:
        """Which life of a worker is there; None if none is."""
        return self._lives.get(name)

    def poll(self, seconds: float = 0.0) -> bool:
        """Take what is there, waiting for the first; whether there was anything."""
        messages = self.link.receive(seconds)
        if self.link.peers is not self._lives:
            self._lives = self.link.peers
            for changed in self._changed:
                changed()
        crowd = []
        for message in messages:
            kind = message[1][0]
            if kind == self._crowd:
                crowd.append(message)
            elif kind in self._takers:
                self._takers[kind](*message)
        if crowd:
            self._take_crowd(crowd)
        return bool(messages)
