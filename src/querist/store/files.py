"""Files that appear whole or not at all, and names that are safe on every file system."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from querist.store.errors import DamagedFile, storage_error

_UNSAFE = re.compile(rb"[^A-Za-z0-9._-]")
_LONGEST_NAME = 120
_TEMPORARY = ".tmp"
# Some network file systems refuse to sync a folder; there renames are synchronous anyway.
_FOLDER_SYNC_REFUSED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


def sync_file(fd: int) -> None:
    """Force the content of an open file to the disk.

    Raises:
        OSError: The data may be lost; do not call this again and believe its success.
    """
    if _FULL_SYNC is not None:  # macOS: fsync leaves the data in the drive's cache
        fcntl.fcntl(fd, _FULL_SYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where its file system allows it."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _FOLDER_SYNC_REFUSED:
            raise
    finally:
        os.close(fd)


def write_at(fd: int, content: bytes | memoryview, offset: int) -> None:
    """Write all of some bytes at a place of an open file, in as many calls as it takes."""
    view = memoryview(content)
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


def atomic_write(path: Path, content: bytes | Iterable[bytes], *, sync: bool = True) -> None:
    """Write a file so that readers see the old content, or all of the new, and nothing else.

    The bytes go to a hidden temporary file in the same folder, which is synced and renamed.

    Args:
        path: Where the file is to be; replaced where it exists.
        content: All bytes, or pieces of them in order.
        sync: Whether to wait until the file is on the disk.

    Raises:
        StoreFull: No space was left; the old file, if any, is untouched.
        StoreFailed: Any other error of the file system; likewise.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{_TEMPORARY}")
    try:
        write_new(temporary, content, sync)
        temporary.replace(path)
        if sync:
            sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path, f"writing {path.name}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_new(path: Path, content: bytes | Iterable[bytes], sync: bool = True) -> None:
    """Write a file that is not there yet; its name is not synced.

    Raises:
        OSError: It could not be written.
    """
    pieces = (content,) if isinstance(content, bytes) else content
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        if sync:
            sync_file(file.fileno())


def name_new(temporary: Path, path: Path) -> None:
    """Give a whole file its name, which nobody may have taken.

    By a link where the file system has them; exFAT and some network file systems have none, and
    there a file that is empty for an instant claims the name.

    Raises:
        FileExistsError: The name is taken.
        OSError: It could not be done for another reason.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        temporary.replace(path)
    else:
        temporary.unlink()


def read_regular(path: Path, limit: int | None = None) -> bytes:
    """Read a file that someone else may have put there.

    Links, pipes and devices are refused, and no more than `limit` bytes are read.

    Raises:
        DamagedFile: It is not a regular file, or it is too large.
        OSError: It cannot be opened or read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise DamagedFile(f"{path.name} is a link or a socket, not a regular file.") from error
        raise
    with os.fdopen(fd, "rb") as file:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise DamagedFile(f"{path.name} is not a regular file.")
        if limit is not None and about.st_size > limit:
            raise DamagedFile(f"{path.name} has {about.st_size} bytes; at most {limit} are read.")
        return file.read() if limit is None else file.read(limit)


def safe_name(text: str) -> str:
    """A file name for any text: readable, and different for different texts.

    Letters, digits, ".", "_" and "-" stay; other bytes become %XX. Long names are cut and
    end in a digest of the whole text. A name never starts with ".".
    """
    name = _UNSAFE.sub(lambda m: b"%%%02X" % m[0][0], text.encode("utf-8", "surrogatepass"))
    plain = name.decode("ascii") or "%"
    if plain.startswith("."):
        plain = "%2E" + plain[1:]
    if len(plain) <= _LONGEST_NAME:
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{plain[: _LONGEST_NAME - 36]}%..{digest}"


def is_temporary(path: Path) -> bool:
    """Whether a file is one that `atomic_write` has not finished."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY)


def sweep_temporaries(folder: Path, older_than_s: float = 3600.0) -> int:
    """Remove what killed writers left half-written; the number of files removed.

    Args:
        folder: Searched with all folders below it.
        older_than_s: Younger temporary files may be in use, and are left.
    """
    oldest_kept = time.time() - older_than_s
    removed = 0
    for path in folder.rglob(f".*{_TEMPORARY}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest_kept:
                path.unlink()
                removed += 1
    return removed
