"""Items by the names that people call them by."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from querist.pool.digests import KEY_BYTES
from querist.pool.errors import Forgotten, UnknownItem

_PART = 500  # placeholders in one statement


def rows_of(connection: sqlite3.Connection, pool: str, ids: Iterable[str]) -> dict[str, int]:
    """The rows of items.

    Raises:
        UnknownItem: For the first id that there is not; Forgotten if there was.
    """
    wanted = list(ids)
    found = known_rows(connection, wanted)
    for id in wanted:
        if id not in found:
            raise unknown(connection, pool, id)
    return {id: found[id] for id in wanted}


def known_rows(connection: sqlite3.Connection, wanted: list[str]) -> dict[str, int]:
    """The rows of those ids that there are."""
    return _by_key(connection, wanted) | _by_own_id(connection, wanted)


def _by_own_id(connection: sqlite3.Connection, wanted: list[str]) -> dict[str, int]:
    query = "SELECT id, row FROM items WHERE id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (json.dumps(wanted),)).fetchall())


def _by_key(connection: sqlite3.Connection, wanted: list[str]) -> dict[str, int]:
    """Items without an id of their own are called by their key."""
    keys = [key for id in wanted if (key := key_named(id)) is not None]
    query = "SELECT key, row FROM items WHERE id IS NULL AND key IN ({})"
    return {key.hex(): row for key, row in _in_parts(connection, query, keys)}


def rows_of_keys(connection: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, int]:
    """The rows of items by their keys, of those that there are."""
    return dict(_in_parts(connection, "SELECT key, row FROM items WHERE key IN ({})", keys))


def _in_parts(
    connection: sqlite3.Connection, query: str, values: list[bytes]
) -> Iterator[tuple[bytes, int]]:
    for start in range(0, len(values), _PART):
        part = values[start : start + _PART]
        yield from connection.execute(query.format(marks(len(part))), part)


def key_named(id: str) -> bytes | None:
    """The key that an id is the text of, or None."""
    try:
        key = bytes.fromhex(id)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES and key.hex() == id else None


def unknown(connection: sqlite3.Connection, pool: str, id: str) -> UnknownItem:
    """The error for an id that there is not."""
    if connection.execute("SELECT 1 FROM tombstones WHERE id = ?", (id,)).fetchone():
        return Forgotten(f"The pool {pool!r} was told to forget {id!r}.")
    return UnknownItem(
        f"The pool {pool!r} has no item {id!r:.300}; `querist pool items` shows ids."
    )


def marks(number: int) -> str:
    """Placeholders for so many values."""
    return ",".join("?" * number)
