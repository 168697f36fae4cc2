"""Opening local files so that what is opened is what was allowed, whoever moves links about."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from querist.sources.source import Forbidden, MissingItem, SourceError, Unreachable
from querist.sources.uris import shown_path

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_NAME = getattr(os, "O_PATH", 0)
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.ELOOP}
_LATER = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.EAGAIN}


class Guard:
    """Opens files below some folders, or any (``roots`` None).

    A path is checked after it is opened, by asking the system which file the descriptor is of, so
    that exchanging a folder for a symbolic link between check and use gains nothing. The first
    descriptor only names the file (``O_PATH``): a device that acts on being opened is not opened.
    """

    def __init__(self, roots: tuple[Path, ...] | None) -> None:
        self._by_name = bool(_NAME) and Path("/proc/self/fd").is_dir()
        self._roots: tuple[bytes, ...] | None = None
        if roots is not None:
            self._roots = tuple(os.path.realpath(os.fsencode(root)) for root in roots)

    def open(self, path: bytes) -> int:
        """A descriptor for reading, of a file or folder; the caller closes it.

        Raises:
            SourceError: A subclass that says why not.
        """
        try:
            if self._roots is None:
                return os.open(path, _READ)
            return self._open_below(path, self._roots)
        except OSError as error:
            if self._roots is not None:  # of what lies elsewhere nobody learns whether it is there
                _require_below(os.path.realpath(path), self._roots, path)
            raise as_source_error(error, path) from error

    def _open_below(self, path: bytes, roots: tuple[bytes, ...]) -> int:
        if not self._by_name:
            return _open_by_steps(os.path.realpath(path), roots, path)
        named = os.open(path, _NAME | os.O_CLOEXEC)
        try:
            link = b"/proc/self/fd/%d" % named
            _require_below(os.readlink(link), roots, path)  # noqa: PTH115, Path has no bytes
            _require_ordinary(os.fstat(named).st_mode, path)
            return os.open(link, _READ)
        finally:
            os.close(named)


def _open_by_steps(real: bytes, roots: tuple[bytes, ...], path: bytes) -> int:
    """The same without /proc: every step of a resolved path must still be no symbolic link."""
    root = _require_below(real, roots, path)
    current = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
    for name in filter(None, real[len(root) :].split(b"/")):
        try:
            _require_ordinary(os.lstat(name, dir_fd=current).st_mode, path)
            deeper = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=current)
        finally:
            os.close(current)
        current = deeper
    return current


def _require_below(real: bytes, roots: tuple[bytes, ...], path: bytes) -> bytes:
    for root in roots:
        if real == root or real.startswith(root.rstrip(b"/") + b"/"):
            return root
    raise Forbidden(
        f"{shown_path(path)} is outside of the folders that may be read. "
        "Move or copy it there, or have its folder added to the allowed roots."
    )


def _require_ordinary(mode: int, path: bytes) -> None:
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
        raise special(mode, path)


def special(mode: int, path: bytes) -> Forbidden:
    """The error for what is neither a file nor a folder."""
    kinds = {
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(mode), "a special file")
    return Forbidden(f"{shown_path(path)} is {kind}; only ordinary files are read.")


def as_source_error(error: OSError, path: bytes) -> SourceError:
    """What the operating system said, as one of our errors."""
    name = shown_path(path)
    if error.errno in _MISSING:
        return MissingItem(f"There is no file {name}.")
    if error.errno in _REFUSED:
        return Forbidden(f"{name} may not be read: {error.strerror}.")
    if error.errno in _LATER:
        return Unreachable(f"{name} cannot be read now: {error.strerror}.")
    return SourceError(f"{name} cannot be read: {error.strerror or error}.")
