"""Versions, damage and locks of the index."""

from __future__ import annotations

import errno
import gc
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from querist.pool import database, schema
from querist.pool.database import FILE, Database, told
from querist.pool.errors import NewerPool, NotAPool, PoolBusy, PoolDamaged, PoolError
from querist.pool.pool import Pool
from querist.store.errors import StoreFull


def test_a_newer_pool_is_refused_with_both_numbers(tmp_path: Path) -> None:
    Pool.create(tmp_path / "p").close()
    connection = sqlite3.connect(tmp_path / "p" / FILE)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(NewerPool, match=r"format 99, and this Querist knows formats up to 1"):
        Pool.open(tmp_path / "p")


def test_an_older_pool_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pool.create(tmp_path / "p") as pool:
        pool.add_items(["kept"])
    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(schema, "MIGRATIONS", {1: "ALTER TABLE items ADD COLUMN extra TEXT"})
    for _ in range(2):
        with Pool.open(tmp_path / "p") as pool:
            assert pool.items()[0].inline == "kept"
    connection = sqlite3.connect(tmp_path / "p" / FILE)
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert connection.execute("SELECT extra FROM items").fetchone() == (None,)
    connection.close()


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pool.create(tmp_path / "p").close()
    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(schema, "MIGRATIONS", {1: "ALTER TABLE items ADD COLUMN e TEXT; NONSENSE"})
    with pytest.raises(PoolError, match="refuses"):
        Pool.open(tmp_path / "p")
    monkeypatch.undo()
    Pool.open(tmp_path / "p").close()


def test_other_files_are_no_pools(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE a (b)").connection.close()
    with pytest.raises(NotAPool, match="not the index of a pool"):
        Database(tmp_path / "other.sqlite")
    (tmp_path / "text").write_text("no database at all" * 100)
    with pytest.raises(PoolDamaged, match="damaged"):
        Database(tmp_path / "text")


def closed(connection: sqlite3.Connection) -> bool:
    try:
        return connection.total_changes < 0
    except sqlite3.ProgrammingError:
        return True


def test_a_file_that_is_refused_is_not_held_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, made = sqlite3.connect, []
    with closing(connect(tmp_path / "other.sqlite")) as other:
        other.execute("CREATE TABLE a (b)")
    (tmp_path / "text").write_text("no database at all" * 100)
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: made.append(connect(*a, **k)) or made[-1]
    )
    for name in ("other.sqlite", "text"):
        with pytest.raises((NotAPool, PoolDamaged)):
            Database(tmp_path / name)
    assert len(made) == 2
    assert all(map(closed, made))


def test_a_writer_that_waits_too_long_says_so(tmp_path: Path) -> None:
    Pool.create(tmp_path / "p").close()
    one, two = Database(tmp_path / "p" / FILE), Database(tmp_path / "p" / FILE, wait=0.05)
    with one.writing(), pytest.raises(PoolBusy, match="keeps"), two.writing():
        pass
    with two.writing():
        pass
    one.close()
    two.close()
    with pytest.raises(PoolError, match="is closed"), one.reading():
        pass


def test_a_pool_that_nobody_closes_is_closed_once_nobody_has_it(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path / "p")
    pool.add_items(["a", "b"])
    connection = pool._database.connection()
    items = iter(pool.items())
    del pool
    gc.collect()
    assert len(list(items)) == 2
    del items
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


@pytest.mark.parametrize(
    ("code", "kind", "sentence"),
    [
        (sqlite3.SQLITE_FULL, StoreFull, "no space left"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StoreFull, "no space left"),
        (sqlite3.SQLITE_CANTOPEN, PoolError, "the folder may be written to"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, PoolError, "the folder may be written to"),
        (sqlite3.SQLITE_IOERR_READ, PoolError, "refuses: it does"),
    ],
)
def test_what_sqlite_refuses_is_told(code: int, kind: type, sentence: str, tmp_path: Path) -> None:
    error = sqlite3.OperationalError("it does")
    error.sqlite_errorcode = code
    with pytest.raises(kind, match=sentence), told(tmp_path / FILE):
        raise error


def test_a_pool_is_made_once_where_there_are_no_links(tmp_path: Path, monkeypatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "this file system has no links")

    monkeypatch.setattr(os, "link", no_links)
    with Pool.create(tmp_path / "pool") as pool:
        pool.add_items(["a"])
    with pytest.raises(FileExistsError):
        Database.create(tmp_path / "pool" / FILE)
    with Pool.open(tmp_path / "pool") as pool:
        assert len(pool) == 1
    assert not list((tmp_path / "pool").glob(".*"))


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR_LOCK]
)
def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch, code: int) -> None:
    def refused(draft: Path) -> None:
        draft.touch()
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(database, "_write_empty", refused)
    with pytest.raises(PoolError, match=r"keeps no locks .* local disk"):
        Pool.create(tmp_path / "pool")
    assert not list((tmp_path / "pool").iterdir())


def test_a_path_that_is_too_long_for_sqlite_is_told(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="too long a name for SQLite"):
        Pool.create(tmp_path.joinpath(*["a" * 200] * 3))


def test_a_pool_on_a_network_file_system_warns(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(database, "network_kind", lambda path: "nfs4")
    with pytest.warns(UserWarning, match=r"network file system \(nfs4\).*single host") as told:
        Pool.create(tmp_path / "pool").close()
    assert told[0].filename == __file__


def test_threads_share_a_pool(pool: Pool) -> None:
    pool.add_items({"text": str(n), "id": str(n)} for n in range(40))
    errors: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for n in range(start, 40, 4):
                pool.label({str(n): "cat"}, by=str(start))
                pool.item(str(n))
        except BaseException as error:  # noqa: BLE001, shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert pool.counts()["labelled"] == 40
