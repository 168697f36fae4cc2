"""Messages to a running campaign from any process: answers of people, commands of users."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querist.store.codec import NO_ARRAYS, Arrays, encode_json, pack_parcel, unpack_parcel
from querist.store.errors import DamagedFile, StoreError
from querist.store.files import atomic_write, is_temporary, read_regular

_SUFFIX = ".message"
_NAME = re.compile(r"\d{20}-[0-9a-f]{32}")
_LIMIT = 64 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message in the inbox.

    Attributes:
        id: Unique, and ordered by the sender's clock. A message that was not yet removed when
            the controller died comes again with the same id: record it, and ignore known ones.
        kind: What it is.
        data: A JSON object; from a stranger, so check it.
        arrays: Named arrays, read-only.
        at: When it was posted, in seconds since 1970 by the sender's clock.
    """

    id: str
    kind: str
    data: Mapping[str, Any]
    arrays: Arrays
    at: float


class Inbox:
    """The inbox of a run: any process may post, one controller reads and removes.

    What is not a message is moved to the folder `rejected`, with the reason in a file beside it,
    so that nobody can stop a run by dropping something here.

    Args:
        folder: Where the messages lie; created where missing.
        limit: Largest message in bytes, for posting and reading.
        sync: False skips syncing: for tests and benchmarks only.
    """

    def __init__(self, folder: Path | str, *, limit: int = _LIMIT, sync: bool = True) -> None:
        self._folder, self._limit, self._sync = Path(folder), limit, sync

    @property
    def rejected(self) -> Path:
        """The folder of what was not a message."""
        return self._folder / "rejected"

    def post(self, kind: str, data: Mapping[str, Any], arrays: Arrays = NO_ARRAYS) -> str:
        """Post a message durably; on return it will be read, now or when the run is resumed.

        Messages of one process keep their order.

        Returns:
            Its id.

        Raises:
            NotStorable: A value cannot be stored.
            TooLarge: It is larger than `limit`.
            StoreFull, StoreFailed: It could not be written.
        """
        content = pack_parcel(kind, data, arrays, self._limit)
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{_next_instant():020d}-{uuid.uuid4().hex}"
        atomic_write(self._folder / (name + _SUFFIX), content, sync=self._sync)
        return name

    def pending(self, limit: int = 1000) -> list[Message]:
        """The oldest messages that have not been removed.

        Args:
            limit: How many at most.
        """
        messages: list[Message] = []
        for path in self._listed():
            if len(messages) >= limit:
                break
            try:
                messages.append(self._read(path))
            except FileNotFoundError:
                continue
            except (DamagedFile, OSError) as error:
                self._reject(path, str(error))
        return messages

    def remove(self, message: Message | str) -> None:
        """Remove a message, once the journal has it durably; harmless when it is gone."""
        name = message.id if isinstance(message, Message) else message
        if _NAME.fullmatch(name):
            (self._folder / (name + _SUFFIX)).unlink(missing_ok=True)

    def _listed(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        paths = (path for path in self._folder.iterdir() if not is_temporary(path))
        return sorted(path for path in paths if path != self.rejected)

    def _read(self, path: Path) -> Message:
        if path.suffix != _SUFFIX or not _NAME.fullmatch(path.stem):
            raise DamagedFile("The file does not have a name that the inbox gives.")
        record = unpack_parcel(read_regular(path, self._limit))
        return Message(path.stem, record.kind, record.data, record.arrays, record.at)

    def _reject(self, path: Path, reason: str) -> None:
        # What cannot be moved (a foreign owner, a full disk) is passed over again next time.
        with suppress(OSError, StoreError):
            self.rejected.mkdir(exist_ok=True)
            target = self.rejected / f"{uuid.uuid4().hex[:8]}-{path.name[-180:]}"
            path.rename(target)
            said = encode_json({"name": path.name, "reason": reason, "at": time.time()})
            atomic_write(target.with_name(target.name + ".reason.json"), said, sync=False)


_instant_lock = threading.Lock()
_last_instant = 0


def _next_instant() -> int:
    """Nanoseconds since 1970, never the same twice in a process."""
    global _last_instant
    with _instant_lock:
        _last_instant = max(time.time_ns(), _last_instant + 1)
        return _last_instant
