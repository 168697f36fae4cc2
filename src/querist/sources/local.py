"""Local files: paths and ``file:`` URIs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from querist.sources.access import OPEN, Access
from querist.sources.guarded_files import Guard, as_source_error, special
from querist.sources.source import Entry, MissingItem, SourceError, TooLarge
from querist.sources.uris import file_uri, local_path, shown


class LocalSource:
    """Files of this machine, below the policy's roots.

    Listing follows symbolic links, but no folder into itself. A read cannot be cut while the
    operating system waits for a network file system.
    """

    concurrency = 4

    def __init__(self, access: Access = OPEN) -> None:
        self._guard = Guard(access.roots)
        self._max_bytes = access.max_bytes

    def read(self, uri: str, limit: int | None = None) -> bytes:
        """Read a file; see :meth:`~querist.sources.source.Source.read`."""
        path = local_path(uri)
        limit = self._max_bytes if limit is None else min(limit, self._max_bytes)
        file = self._guard.open(path)
        try:
            status = os.fstat(file)
            _require_file(status, path)
            if status.st_size > limit:
                raise too_large(uri, status.st_size, limit)
            data = os.read(file, status.st_size + 1)
            if len(data) != status.st_size:  # it grows, shrinks, or tells no size as /proc does
                data = _rest(file, data, limit, uri)
        except OSError as error:
            raise as_source_error(error, path) from error
        finally:
            os.close(file)
        return data

    def stat(self, uri: str) -> Entry:
        """Size and time of a file."""
        path = local_path(uri)
        return _entry(path, self._status(path))

    def _status(self, path: bytes) -> os.stat_result:
        file = self._guard.open(path)
        try:
            status = os.fstat(file)
        finally:
            os.close(file)
        _require_file(status, path)
        return status

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """List a folder's files, those of its folders included, or one file."""
        path = os.path.abspath(local_path(uri))  # noqa: PTH100, Path has no bytes
        start = local_path(after) if after else b""
        file = self._guard.open(path)
        if not stat.S_ISDIR(os.fstat(file).st_mode):
            os.close(file)
            if path > start:
                yield self.stat(file_uri(path))
            return
        yield from self._walk(path.rstrip(b"/") + b"/", file, start)

    def _walk(self, path: bytes, file: int, start: bytes) -> Iterator[Entry]:
        """Depth first; the stack holds what is open and to come, from the top folder to here."""
        stack = [_Folder(path, file)]
        try:
            while stack:
                name = stack[-1].next_name()
                if name is None:
                    stack.pop().close()
                    continue
                found = stack[-1].path + name
                if found <= start and not (found.endswith(b"/") and start.startswith(found)):
                    continue
                if not found.endswith(b"/"):
                    yield self._look(found, stack[-1].file, name)
                elif (folder := self._enter(found, stack)) is not None:
                    stack.append(folder)
                else:
                    yield Entry(file_uri(found[:-1]), None, "")
        finally:
            for folder in stack:
                folder.close()

    def _look(self, path: bytes, folder: int, name: bytes) -> Entry:
        try:
            status = os.lstat(name, dir_fd=folder)
            if stat.S_ISLNK(status.st_mode):
                status = self._status(path)
            _require_file(status, path)
        except (OSError, SourceError):
            return Entry(file_uri(path), None, "")
        return _entry(path, status)

    def _enter(self, path: bytes, stack: list[_Folder]) -> _Folder | None:
        """The folder, opened; None for one that is closed to us or lies in itself by a link."""
        try:
            folder = _Folder(path, self._guard.open(path[:-1]))
        except SourceError:
            return None
        if any(folder.identity == above.identity for above in stack):
            folder.close()
            return None
        return folder

    def close(self) -> None:
        """Nothing is kept open between calls."""


class _Folder:
    """An open folder and its sorted names; those of folders end with a slash, as in a path."""

    def __init__(self, path: bytes, file: int) -> None:
        self.path, self.file = path, file
        try:
            status = os.fstat(file)
            self.identity = (status.st_dev, status.st_ino)
            with os.scandir(file) as found:
                names = [_name(entry) for entry in found if not entry.name.startswith(".")]
        except OSError as error:
            os.close(file)
            raise as_source_error(error, path) from error
        names.sort(reverse=True)
        self._names = names

    def next_name(self) -> bytes | None:
        return self._names.pop() if self._names else None

    def close(self) -> None:
        os.close(self.file)


def _name(entry: os.DirEntry[str]) -> bytes:
    try:
        folder = entry.is_dir()
    except OSError:  # a link that leads to itself
        folder = False
    return os.fsencode(entry.name) + b"/" if folder else os.fsencode(entry.name)


def _entry(path: bytes, status: os.stat_result) -> Entry:
    return Entry(file_uri(path), status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}")


def _require_file(status: os.stat_result, path: bytes) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise MissingItem(f"{shown(file_uri(path))} is a folder, not a file.")
    raise special(status.st_mode, path)


def _rest(file: int, data: bytes, limit: int, uri: str) -> bytes:
    """Go on reading to the end of a file that is not as long as it said."""
    parts, total = [data], len(data)
    while part := os.read(file, 1 << 20):
        parts.append(part)
        total += len(part)
        if total > limit:
            raise too_large(uri, None, limit)
    if total > limit:
        raise too_large(uri, None, limit)
    return b"".join(parts)


def too_large(uri: str, size: int | None, limit: int) -> TooLarge:
    """The error for an item over the limit; ``size`` None where only that it is over is known."""
    has = "more" if size is None else f"{size:,} bytes"
    return TooLarge(
        f"{shown(uri)} has {has}, and the limit is {limit:,} bytes. "
        "Raise max_bytes of the access policy, or make the item smaller."
    )
