"""Local files: paths and ``file:`` URIs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from querist.sources.access import OPEN, Access
from querist.sources.guarded_files import Guard, as_source_error, special
from querist.sources.source import Entry, MissingItem, SourceError, TooLarge
from querist.sources.uris import file_uri, local_path, shown
from querist.sources.walking import Folder, walk


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
        return self.fetch(uri, limit)[0]

    def fetch(self, uri: str, limit: int | None = None) -> tuple[bytes, str]:
        """Read a file; see :meth:`~querist.sources.source.SupportsFetch.fetch`."""
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
        return data, _version(status)

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

    def there(self, path: bytes) -> bytes:
        """The longest beginning of an absolute path, up to a name, that is there."""
        while len(path) > 1:
            try:
                os.close(self._guard.open(path))
            except MissingItem:
                path = path[: path.rindex(b"/")]
            except SourceError:  # it is there, or nobody is to learn that: reading it tells
                return path
            else:
                return path
        return b"/"

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
        for found, folder in walk(_LocalFolder(path.rstrip(b"/") + b"/", file), self._enter, start):
            if folder is None:
                yield Entry(file_uri(found), None, "")
            else:
                yield self._look(found, folder.file)

    def _look(self, path: bytes, folder: int) -> Entry:
        try:
            status = os.lstat(path[path.rindex(b"/") + 1 :], dir_fd=folder)
            if stat.S_ISLNK(status.st_mode):
                status = self._status(path)
            _require_file(status, path)
        except (OSError, SourceError):
            return Entry(file_uri(path), None, "")
        return _entry(path, status)

    def _enter(self, path: bytes, stack: Sequence[_LocalFolder]) -> _LocalFolder | None:
        """The folder, opened; None for one that is closed to us or lies in itself by a link."""
        try:
            folder = _LocalFolder(path, self._guard.open(path[:-1]))
        except SourceError:
            return None
        if any(folder.identity == above.identity for above in stack):
            folder.close()
            return None
        return folder

    def close(self) -> None:
        """Nothing is kept open between calls."""


class _LocalFolder(Folder):
    """A folder that stays open, so that its files are looked at where they were listed."""

    def __init__(self, path: bytes, file: int) -> None:
        self.file = file
        try:
            status = os.fstat(file)
            self.identity = (status.st_dev, status.st_ino)
            with os.scandir(file) as found:
                super().__init__(path, map(_name, found))
        except OSError as error:
            os.close(file)
            raise as_source_error(error, path) from error

    def close(self) -> None:
        os.close(self.file)


def _name(entry: os.DirEntry[str]) -> bytes:
    try:
        folder = entry.is_dir()
    except OSError:  # a link that leads to itself
        folder = False
    return os.fsencode(entry.name) + b"/" if folder else os.fsencode(entry.name)


def _entry(path: bytes, status: os.stat_result) -> Entry:
    return Entry(file_uri(path), status.st_size, _version(status))


def _version(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


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
