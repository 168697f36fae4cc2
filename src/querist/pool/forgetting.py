"""Forgetting items: everything that a pool has of them is erased, and only their ids stay.

The order lets a killed ``forget`` be repeated: what is found by the item goes first, then the item,
then what is left of it in freed pages. Deleted rows are overwritten (``secure_delete``), and since
pages that were split may keep older copies, the file is written anew (VACUUM) and the write-ahead
log is cut.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from querist.pool import contents, exported, lookup, rounds_seen, suggested
from querist.pool.database import FILE, Database
from querist.pool.errors import UnknownItem
from querist.pool.items import COLUMNS, TABLES, Item, item_of
from querist.pool.scan import caching
from querist.pool.traces import SHORTEST, Traces

_WAIT_SECONDS = 10.0


class Erased(NamedTuple):
    """What a ``forget`` did.

    Attributes:
        ids: The items that are gone now.
        copies: Items that have the same content and are still there.
        left: Files in which something is left, and why; the pool's log among them while another
            process still reads an older state. Empty when all is erased.
    """

    ids: list[str]
    copies: list[str]
    left: list[tuple[Path, str]]


class Eraser:
    """Erases items from a pool's folder.

    Args:
        folder: The pool's.
        database: Its index.
        name: Its name, for errors.
        task: Its task, which exports are read by.
    """

    def __init__(self, folder: Path, database: Database, name: str, task: str) -> None:
        self._folder, self._database, self._name, self._task = folder, database, name, task

    def forget(self, ids: Iterable[str], copies: bool) -> Erased:
        """Erase items; of ids that are forgotten already, what may be left of them.

        Raises:
            UnknownItem: For an id that there never was; nothing is erased then.
        """
        wanted = list(dict.fromkeys(ids))
        items = self._items(wanted)
        twins = self._copies(items)
        if copies:
            items, twins = items + twins, []
        rows = np.array(sorted(item.row for item in items), np.int64)
        if len(rows):
            places = [(item.uri, item.version) for item in items]
            caching.forget(self._folder / caching.FOLDER, rows, places)
            rounds_seen.erase(self._folder, rows)
            suggested.erase(self._folder, rows)
        gone = {*wanted, *(item.id for item in items)}
        left = exported.erase(self._database, gone, self._task)
        self._delete(items)
        left += self._settle()
        left += list(_unfinished(self._folder)) + list(_found(self._folder, items))
        return Erased(sorted(gone), [item.id for item in twins], left)

    def _items(self, ids: Sequence[str]) -> list[Item]:
        with self._database.reading() as connection:
            known = lookup.known_rows(connection, list(ids))
            for id in ids:
                if id not in known:
                    query = "SELECT 1 FROM tombstones WHERE id = ?"
                    if connection.execute(query, (id,)).fetchone() is None:
                        raise lookup.unknown(connection, self._name, id)
            return [_item(connection, row) for row in known.values()]

    def _copies(self, items: Sequence[Item]) -> list[Item]:
        """Other items of the same content, as far as it is known."""
        have = {item.row for item in items}
        query = "SELECT row FROM items WHERE content = ? AND fresh"
        with self._database.reading() as connection:
            found = {
                row
                for item in items
                if item.content
                for (row,) in connection.execute(query, (bytes.fromhex(item.content),))
            }
            return [_item(connection, row) for row in sorted(found - have)]

    def _delete(self, items: Sequence[Item]) -> None:
        at = time.time()
        freed: set[bytes] = set()
        with self._database.writing() as connection:
            for item in items:
                found = connection.execute(
                    "SELECT key, content FROM items WHERE row = ?", (item.row,)
                ).fetchone()
                if found is None:  # another process was quicker
                    continue
                key, content = found
                connection.execute("REPLACE INTO tombstones VALUES (?, ?, ?)", (item.id, key, at))
                for table in ("events", "items"):
                    connection.execute(f"DELETE FROM {table} WHERE row = ?", (item.row,))
                connection.execute("DELETE FROM listings WHERE ? IN (uri, after)", (item.uri,))
                if content is not None:
                    freed.add(content)
            contents.mark_copies(connection, freed)  # what was a copy of these is one of the next

    def _settle(self) -> list[tuple[Path, str]]:
        """Write the index anew, and cut its log."""
        until = time.monotonic() + _WAIT_SECONDS
        with self._database.reading() as connection:
            connection.execute("VACUUM")
            while True:
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                if not busy:
                    return []
                if time.monotonic() > until:
                    break
                time.sleep(0.05)
        log = self._folder / f"{FILE}-wal"
        return [(log, "another process reads an older state; forget the same ids again later")]


def _item(connection: sqlite3.Connection, row: int) -> Item:
    query = f"SELECT {COLUMNS} FROM {TABLES} WHERE items.row = ?"
    found = connection.execute(query, (row,)).fetchone()
    if found is None:
        raise UnknownItem("The item was forgotten by another process meanwhile.")
    return item_of(found)


def _unfinished(folder: Path) -> Iterator[tuple[Path, str]]:
    for outputs in sorted(folder.glob("queries/*/outputs")):
        if any(outputs.iterdir()):
            yield (
                outputs,
                "an unfinished query keeps outputs of its model here; finish or cancel it",
            )


def _found(folder: Path, items: Sequence[Item]) -> Iterator[tuple[Path, str]]:
    """Files of the pool in which a URI or a text of some length still stands.

    Caches aside, and the index, which was written anew. It must not be read here: whoever closes a
    file gives up all POSIX locks of its process on it, SQLite's too, and the next process to close
    the pool would take itself for the last and remove the log that this one goes on writing to.
    """
    texts = [item.uri or item.inline for item in items]
    sought = {text.encode() for text in texts if isinstance(text, str) and len(text) > SHORTEST}
    if not sought:
        return
    traces = Traces(sought)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts[0]
        passed_over = inside == caching.FOLDER or inside.startswith(FILE)
        if not passed_over and path.is_file() and traces.in_file(path):
            yield path, "the URI or text of a forgotten item still stands here; erase it by hand"
