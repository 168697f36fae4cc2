"""The pool's SQLite file: connections by thread, transactions, versions, errors.

Write-ahead log, so that several processes read while one writes; writers wait for each other.
Every commit is on the disk when it returns (``synchronous=FULL``), and what is deleted is
overwritten (``secure_delete``).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from querist.core.errors import QueristError
from querist.pool import schema
from querist.pool.errors import NewerPool, NotAPool, PoolBusy, PoolDamaged, PoolError
from querist.store.errors import StoreFull
from querist.store.file_systems import network_kind
from querist.store.files import name_new

FILE = "items.sqlite"
WAIT_SECONDS = 60.0
_SETTINGS = ("cache_size=-16384", "synchronous=FULL", "secure_delete=ON", "trusted_schema=OFF")
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_LONGEST_PATH = 480  # its own limit is 512, of which names of files beside it take some
_LOCKLESS = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_SHMLOCK,
    sqlite3.SQLITE_IOERR_SHMMAP,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNWRITABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


class Database:
    """Connections to one file, one a thread, made when first needed; safe after a fork.

    Args:
        path: The file, which exists.
        wait: Seconds for which a writer waits for another.

    Raises:
        NotAPool: If there is no file, or it is that of another program.
        NewerPool: If a later version of Querist wrote it.
    """

    def __init__(self, path: Path, wait: float = WAIT_SECONDS) -> None:
        self.path, self._wait = path, wait
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._connections: dict[int, sqlite3.Connection] = {}
        weakref.finalize(self, _close_all, self._connections, self._pid)  # of who never closes
        self._closed = False
        if not path.is_file():
            raise NotAPool(f"{path.parent} is not the folder of a pool: it has no {path.name}.")
        try:
            with told(path):
                self._bring_up_to_date()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path) -> Database:
        """Make the file, which must not exist; it appears whole or not at all."""
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        draft.unlink(missing_ok=True)
        try:
            with told(path), _locks(path):
                _write_empty(draft)
            name_new(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _warn_of_network(path)
        return cls(path)

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            found = _pragma(connection, "user_version")
            if _pragma(connection, "application_id") != schema.APPLICATION_ID:
                raise NotAPool(f"{self.path} is not the index of a pool.")
        if found > schema.VERSION:
            raise NewerPool(
                f"{self.path} has format {found}, and this Querist knows formats up to "
                f"{schema.VERSION}. Use the version of Querist that wrote it, or a later one."
            )
        if found < schema.VERSION:
            self._migrate()

    def _migrate(self) -> None:
        with self.writing() as connection:
            # Another process may have done so while this one waited.
            for version in range(_pragma(connection, "user_version"), schema.VERSION):
                for statement in schema.MIGRATIONS[version].split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={version + 1}")

    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        key = threading.get_ident()
        if self._pid != os.getpid():  # a connection must not cross a fork, not even to be closed
            self._lock, self._pid = threading.Lock(), os.getpid()
            _ABANDONED.extend(self._connections.values())
            self._connections.clear()
        found = self._connections.get(key)
        return found if found is not None else self._connect(key)

    def _connect(self, key: int) -> sqlite3.Connection:
        if self._closed:
            raise PoolError(f"The pool in {self.path.parent} is closed; open it again.")
        made = sqlite3.connect(
            self.path, timeout=self._wait, isolation_level=None, check_same_thread=False
        )
        try:
            for setting in _SETTINGS:
                made.execute(f"PRAGMA {setting}")
        except BaseException:
            made.close()
            raise
        with self._lock:
            self._drop_dead_threads()
            self._connections[key] = made
        return made

    def _drop_dead_threads(self) -> None:
        alive = {thread.ident for thread in threading.enumerate()}
        for key in [key for key in self._connections if key not in alive]:
            self._connections.pop(key).close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for single statements, with errors told as ours."""
        with told(self.path):
            yield self.connection()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on the disk at the end, or nothing at an exception."""
        with told(self.path):
            connection = self.connection()
            self._begin(connection)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Begin; SQLite's own waiting sleeps up to 100 ms and is unfair, so look more often."""
        until = time.monotonic() + self._wait
        connection.execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    if not _is(error, _BUSY) or time.monotonic() > until:
                        raise
                time.sleep(0.002)
        finally:
            connection.execute(f"PRAGMA busy_timeout={int(self._wait * 1000)}")

    def close(self) -> None:
        """Close all threads' connections; may be called twice."""
        with self._lock:
            self._closed = True
            _close_all(self._connections, self._pid)


_ABANDONED: list[sqlite3.Connection] = []


def _write_empty(draft: Path) -> None:
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute("PRAGMA page_size=8192")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(
            f"BEGIN; PRAGMA application_id={schema.APPLICATION_ID}; "
            f"PRAGMA user_version={schema.VERSION}; {schema.CREATE} COMMIT;"
        )
    finally:
        connection.close()


def _warn_of_network(path: Path) -> None:
    """Processes share the log's index in memory, which those of two hosts cannot."""
    if kind := network_kind(path):
        warnings.warn(
            f"The pool {path.parent} lies on a network file system ({kind}), where its index is "
            "safe only while a single host uses it. Keep it in a folder of a local disk.",
            stacklevel=4,
        )


def _close_all(connections: dict[int, sqlite3.Connection], pid: int) -> None:
    """Close connections, in the process that made them."""
    if pid == os.getpid():
        while connections:
            connections.popitem()[1].close()


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _is(error: sqlite3.Error, codes: set[int]) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # missing where Python raised it
    return code is not None and code & 0xFF in codes


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell SQLite's errors as ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _ours(error, path) from error
    except UnicodeEncodeError as error:
        raise PoolError(f"{error.object!a:.300} is not valid Unicode; texts are UTF-8.") from error
    except OverflowError as error:
        raise PoolError("A whole number has more than 64 bits.") from error


@contextmanager
def _locks(path: Path) -> Iterator[None]:
    """Around work on a file that no other process knows: what refuses a lock is its disk."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code not in _LOCKLESS and not _is(error, _BUSY):
            raise
        raise PoolError(
            f"No index can be made at {path} ({error}): its file system keeps no locks or cannot "
            "share memory, as some network file systems. Make the pool in a folder of a local disk."
        ) from error


def _ours(error: sqlite3.DatabaseError, path: Path) -> QueristError:
    if _is(error, _BUSY):
        return PoolBusy(f"Another process keeps {path} locked. Try again when it has finished.")
    if _is(error, _DAMAGED):
        return PoolDamaged(
            f"{path} is damaged ({error}). Take it from a backup, or rebuild the pool from its "
            "sources and an export of its labels."
        )
    # Without space SQLite cannot even make the file that connections share ("disk I/O error").
    no_room = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHMSIZE
    if no_room or _is(error, {sqlite3.SQLITE_FULL}):
        return StoreFull(f"There is no space left for {path}. What was confirmed is kept.")
    if _is(error, _UNWRITABLE) and len(os.fsencode(path)) > _LONGEST_PATH:
        return PoolError(
            f"{path} is too long a name for SQLite, which opens files whose path has at most about "
            f"{_LONGEST_PATH} characters. Keep the pool in another folder."
        )
    if _is(error, _UNWRITABLE):
        return PoolError(
            f"The index {path} cannot be used: {error}. Who reads a pool writes beside its index, "
            "too: see whether the folder may be written to, or take a copy where it may."
        )
    return PoolError(f"The index {path} refuses: {error}.")
