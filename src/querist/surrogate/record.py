"""Where a surrogate's facts are kept: in memory, or in a folder that processes share.

In a folder, whoever gets the lock writes the journal; all others post to the inbox, durably, and
the writer takes their messages over. The death of a writer releases the lock; what was posted or
written stays.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from querist.core.batch import Array
from querist.core.errors import RunError
from querist.store.errors import RunLocked, StoreError
from querist.store.journal import JournalWriter
from querist.store.lock import WriterLock
from querist.store.reader import JournalReader
from querist.store.run_folder import RunFolder

MESSAGE = "surrogate.fact"
CLOSED = "this surrogate was closed; open its folder again."


class Entry(NamedTuple):
    """Something to be recorded."""

    kind: str
    data: Mapping[str, Any]
    arrays: Mapping[str, Array] = {}  # nobody writes into it


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A fact of the journal."""

    seq: int
    kind: str
    data: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    at: float = field(default_factory=time.time)


class Log(Protocol):
    """Takes facts, and gives them back in one order to all who follow it."""

    def record(self, entries: Iterable[Entry]) -> None:
        """Keep facts; they are durable on return, though perhaps not yet in the order."""

    def follow(self) -> list[Known]:
        """Facts that no earlier call has given."""

    def writes(self) -> bool:
        """Become the one writer where nobody else is; whether this is the one."""

    def release(self) -> None:
        """Let others write."""

    def close(self) -> None:
        """Make everything durable and let go for good; what is there can still be followed."""


class Memory:
    """Facts of one process, kept nowhere."""

    def __init__(self) -> None:
        self.facts: list[Known] = []
        self._given = 0

    def record(self, entries: Iterable[Entry]) -> None:
        """Keep facts."""
        for entry in entries:
            self.facts.append(Known(len(self.facts) + 1, *entry))

    def follow(self) -> list[Known]:
        """Facts that no earlier call has given."""
        found, self._given = self.facts[self._given :], len(self.facts)
        return found

    def writes(self) -> bool:
        """Always."""
        return True

    def release(self) -> None:
        """Nobody else is there."""

    def close(self) -> None:
        """Nothing to do."""


class Disk:
    """Facts in the journal of a folder.

    Args:
        folder: Of the surrogate.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._reader = JournalReader(folder.journal)
        self._lock: WriterLock | None = None
        self._writer: JournalWriter | None = None
        self._own: list[Known] = []
        self._taken: set[str] = set()  # messages that are in the journal
        self._closed = False

    def record(self, entries: Iterable[Entry]) -> None:
        """Keep facts: in the journal where this is the writer, else in the inbox.

        Raises:
            StoreError: If they could not be kept.
            RunError: If this was closed.
        """
        if self._closed:
            raise RunError(CLOSED)
        if self.writes():
            self._append([(entry, None) for entry in entries])
            return
        for entry in entries:
            data = {"kind": entry.kind, "data": dict(entry.data)}
            self._folder.inbox.post(MESSAGE, data, entry.arrays)

    def _append(self, entries: list[tuple[Entry, str | None]]) -> None:
        assert self._writer is not None
        assert self._lock is not None
        self._lock.check()
        new = []
        for entry, message in entries:
            data = dict(entry.data) if message is None else {**entry.data, "message": message}
            seq = self._writer.append(entry.kind, data, entry.arrays)
            new.append(Known(seq, entry.kind, data, entry.arrays))
        if new:
            self._writer.flush()  # nothing is learned from before it is durable
            self._own.extend(new)

    def follow(self) -> list[Known]:
        """New facts, those of others included."""
        if self._writer is None:
            return self._read()
        self._take_messages()
        found, self._own = self._own, []
        return found

    def _read(self) -> list[Known]:
        found = [Known(r.seq, r.kind, r.data, r.arrays, r.at) for r in self._reader.read_new()]
        self._taken.update(f.data["message"] for f in found if "message" in f.data)
        return found

    def _take_messages(self) -> None:
        messages = self._folder.inbox.pending()
        fresh = [m for m in messages if m.id not in self._taken and m.kind == MESSAGE]
        self._append([(Entry(m.data["kind"], m.data["data"], m.arrays), m.id) for m in fresh])
        self._taken.update(m.id for m in fresh)
        for message in messages:
            self._folder.inbox.remove(message)

    def writes(self) -> bool:
        """Become the writer where nobody else is; whether this is the one.

        Raises:
            StoreError: If the journal cannot be written.
        """
        if self._writer is not None:
            return True
        if self._closed:  # nobody would ever let go of the lock again
            return False
        lock = self._folder.lock()
        try:
            lock.acquire()
        except RunLocked:
            return False
        try:
            self._own = self._read()  # what was written until now; from here on nobody else writes
            self._writer = JournalWriter(self._folder.journal, self._folder.run_id)
        except BaseException:
            lock.release()
            raise
        self._lock = lock
        return True

    def release(self) -> None:
        """Let others write; what this one wrote is given by :meth:`follow` as before."""
        writer, lock, self._writer, self._lock = self._writer, self._lock, None, None
        if writer is None or lock is None:
            return
        after = writer.last_seq
        try:
            writer.close()
        finally:
            lock.release()
        kept, self._own = self._own, []
        self._reader = _Resumed(self._folder.journal, after, kept)

    def waiting(self) -> bool:
        """Whether there are messages of others."""
        return bool(self._folder.inbox.pending(1))

    def close(self) -> None:
        """Make everything durable and let others write, for good."""
        with suppress(StoreError):
            if self._writer is not None:
                self._take_messages()
        self._closed = True
        self.release()


class _Resumed(JournalReader):
    """Reads on behind what this process wrote itself, after what it has not given yet."""

    def __init__(self, journal: Path, after: int, kept: list[Known]) -> None:
        super().__init__(journal, after=after)
        self._kept: list[Any] = list(kept)

    def read_new(self) -> Any:
        """Kept facts first."""
        kept, self._kept = self._kept, []
        yield from kept
        yield from super().read_new()
