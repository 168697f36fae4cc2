"""Everything that can go wrong with the record of a run, as a small tree of errors.

Every message is a full sentence that says what was wanted, what was found and what to do.
All of them survive pickling: the message is the only argument, details are attributes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from querist.core.errors import QueristError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StoreError(QueristError):
    """Base of all errors of the store."""


class NotStorable(StoreError, TypeError):
    """A value was given that the record format cannot hold."""


class TooLarge(StoreError, ValueError):
    """A record or message is larger than its format or its limit allows."""


class DamagedFile(StoreError):
    """A file exists, but its content is not what was written."""


class IncompatibleFormat(StoreError):
    """A file was written in a format version that this Querist cannot read."""


class StoreFailed(StoreError):
    """Writing failed; what is durable stays so, nothing more will be written."""


class StoreFull(StoreFailed):
    """Writing failed because the disk, the quota or the file-size limit is used up."""


class StoreClosed(StoreError):
    """A closed journal was asked to write."""


class FlushTimeout(StoreError, TimeoutError):
    """Records did not become durable within the time allowed."""


class JournalCorrupt(StoreError):
    """A journal is damaged where it had been durable.

    Attributes:
        segment: Name of the damaged segment file.
        offset: Byte offset of the first bad record in it.
        last_seq: Sequence number of the last good record before the damage.
    """

    segment: str = ""
    offset: int = 0
    last_seq: int = 0


class JournalRewound(StoreError):
    """Records that a reader has already delivered are no longer in the journal."""


class WrongRun(StoreError):
    """A file belongs to another run than the one that was opened."""


class RunLocked(StoreError):
    """Another process writes this run.

    Attributes:
        host: Its host name, or "" where unknown.
        pid: Its process id there, or 0 where unknown.
        since: When it took the lock (ISO 8601, UTC), or "" where unknown.
    """

    host: str = ""
    pid: int = 0
    since: str = ""


class LockLost(StoreError):
    """The lock this process held was taken over by another one."""


class NotARun(StoreError):
    """A folder is not the folder of a run."""


class RunExists(StoreError):
    """A new run was to be created where something already is."""


class NotStored(StoreError, LookupError):
    """What was asked for is not in the store."""


def storage_error(error: OSError, path: Path | str, doing: str) -> StoreFailed:
    """Turn an operating-system error into one of ours.

    Args:
        error: What the operating system said.
        path: The file or folder concerned.
        doing: What was being done, as a gerund phrase ("writing the journal").

    Returns:
        `StoreFull` where space, quota or file size ran out, `StoreFailed` otherwise.
    """
    code = errno.errorcode.get(error.errno or 0, "unknown error")
    reason = f"{code}: {error.strerror or error}"
    if error.errno in _FULL:
        return StoreFull(
            f"There is no space left for {doing} at {os.fspath(path)} ({reason}). "
            "Free some space, or raise the quota or the file-size limit, then resume the run."
        )
    return StoreFailed(
        f"{doing[:1].upper()}{doing[1:]} at {os.fspath(path)} failed ({reason}). "
        "Check the file system (permissions, mounts, hardware), then resume the run."
    )
