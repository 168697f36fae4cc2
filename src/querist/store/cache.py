"""Bytes by key in LMDB: a cache of limited size for several processes.

It may be deleted at any moment, also while it is used; then it is empty. Two generations take the
place of a list of what was used last: when the newer one is full, the older one is removed.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from querist.core.errors import require
from querist.store.errors import StoreFailed, StoreFull

_LEAST = 1 << 20
_opened: dict[tuple[int, int], Any] = {}
_opening = threading.Lock()


def cache_key(*parts: str) -> bytes:
    """A key that depends on all parts."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=20).digest()


class ByteCache:
    """Bytes by key.

    Args:
        folder: Created by the first :meth:`put`.
        limit: Bytes on the disk, of both generations together.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._size = folder, max(_LEAST, limit // 2)
        self._lmdb: Any = None
        self._lock = threading.Lock()
        self._environments: dict[str, Any] = {}

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is there under some keys."""
        found: list[bytes | None] = [None] * len(keys)
        for generation in ("new", "old"):
            environment = self._environment(generation, create=False)
            if environment is None:
                continue
            with suppress(self._lmdb.Error), environment.begin() as transaction:
                for at, key in enumerate(keys):
                    if found[at] is None:
                        found[at] = transaction.get(key)
        return found

    def put(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep bytes under keys.

        Raises:
            StoreFull: If the disk is full.
            StoreFailed: If they cannot be kept for another reason.
        """
        pairs = [(key, data) for key, data in pairs if len(data) < self._size // 8]
        for again in (True, False):
            environment = self._environment("new", create=True)
            try:
                with environment.begin(write=True) as transaction:
                    for key, data in pairs:
                        transaction.put(key, data)
                return
            except self._lmdb.MapFullError as error:
                if not again:
                    raise StoreFailed(f"The cache {self._folder} is too small: {error}.") from error
                self._turn()
            except self._lmdb.Error as error:
                kind = StoreFull if "No space" in str(error) else StoreFailed
                raise kind(f"The cache {self._folder} cannot be written: {error}.") from error

    def erase(self, keys: Iterable[bytes]) -> None:
        """Forget what is under some keys."""
        wanted = list(keys)
        for generation in ("new", "old"):
            environment = self._environment(generation, create=False)
            if environment is not None:
                with suppress(self._lmdb.Error), environment.begin(write=True) as transaction:
                    for key in wanted:
                        transaction.delete(key)

    def _turn(self) -> None:
        """Remove the older generation and begin a new one."""
        with self._lock:
            self._environments.clear()
            shutil.rmtree(self._folder / "old", ignore_errors=True)
            with suppress(OSError):  # another process did so
                (self._folder / "new").rename(self._folder / "old")

    def _environment(self, generation: str, create: bool) -> Any:
        if self._lmdb is None:
            self._lmdb = require("lmdb", "pool", "a cache of bytes")
        folder = self._folder / generation
        with self._lock, _opening:
            identity = _identity(folder)
            known = self._environments.get(generation)
            if known is not None and known[0] == identity:
                return known[1]
            if identity is None and not create:
                return None
            environment = _opened.get(identity) if identity else None
            if environment is None:
                environment = self._open(folder)
                identity = _identity(folder)
                if identity is not None:
                    _opened[identity] = environment
            self._environments[generation] = identity, environment
            return environment

    def _open(self, folder: Path) -> Any:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return self._lmdb.open(
                str(folder),
                map_size=self._size,
                sync=False,
                metasync=False,
                readahead=False,
                max_readers=1024,
            )
        except (OSError, self._lmdb.Error) as error:
            raise StoreFailed(f"The cache {folder} cannot be opened: {error}.") from error


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which file it is: an environment must not be opened twice in a process."""
    try:
        status = (folder / "data.mdb").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
