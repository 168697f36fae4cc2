"""What digests of contents tell: which items changed, and which are copies of an earlier one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.pool.database import Database
from querist.pool.digests import CONTENT_BYTES
from querist.pool.schema import DUPLICATE, UNLABELLED

# Not `UPDATE ... FROM json_each(...)`: SQLite has that since 3.33, clusters have older ones.
_TOLD = "CREATE TEMP TABLE IF NOT EXISTS told (row INTEGER PRIMARY KEY, content BLOB NOT NULL)"
_DENSE = 8  # a range holds at most so many times the rows that are wanted of it


class Noted(NamedTuple):
    """What new digests told.

    Attributes:
        changed: Items whose content is another than it was.
        duplicates: Items, among those of these contents, that are copies of an earlier one.
    """

    changed: int = 0
    duplicates: int = 0


def note(
    connection: sqlite3.Connection,
    contents: Mapping[int, bytes],
    inserted: Collection[bytes] = (),
) -> Noted:
    """Record contents by row, beside those of rows that were inserted with theirs.

    To be called in a transaction. What concerns all rows is one statement of one step: between two
    steps Python's lock is given up, and beside busy threads each time costs many times what the
    step does.
    """
    if not contents:
        return Noted(duplicates=mark_copies(connection, set(inserted)) if inserted else 0)
    held = connection.execute(
        "SELECT row, content, fresh FROM items WHERE row IN (SELECT value FROM json_each(?)) "
        "AND content IS NOT NULL",
        (json.dumps(list(contents)),),
    ).fetchall()
    other = [(row, old) for row, old, _ in held if old != contents[row]]
    same = {row for row, old, fresh in held if fresh and old == contents[row]}
    new = {row: content for row, content in contents.items() if row not in same}
    connection.execute(_TOLD)
    connection.execute(
        "INSERT INTO temp.told "
        "SELECT value, substr(:joined, 1 + key * :width, :width) FROM json_each(:rows)",
        {"joined": b"".join(new.values()), "rows": json.dumps(list(new)), "width": CONTENT_BYTES},
    )
    connection.execute(
        "UPDATE items SET fresh = 1, content = "
        "(SELECT content FROM temp.told WHERE told.row = items.row) "
        "WHERE row IN (SELECT row FROM temp.told)"
    )
    connection.execute("DELETE FROM temp.told")
    connection.executemany(
        "UPDATE items SET stale = 1 WHERE row = ? AND label IS NOT NULL", [(r,) for r, _ in other]
    )
    touched = {*inserted, *new.values(), *(old for _, old in other)}
    return Noted(len(other), mark_copies(connection, touched))


def mark_copies(connection: sqlite3.Connection, contents: Collection[bytes]) -> int:
    """Set which items of these contents are copies of their first; returns how many are."""
    found = connection.execute(
        "SELECT content, min(row), count(*), count(twin) FROM items WHERE content IN "
        "(SELECT substr(:joined, 1 + key * :width, :width) FROM json_each(:places)) "
        "GROUP BY content HAVING count(*) > 1 OR count(twin) > 0",
        {
            "joined": b"".join(contents),
            "places": json.dumps([0] * len(contents)),
            "width": CONTENT_BYTES,
        },
    ).fetchall()
    _mark(connection, [(content, first) for content, first, _, _ in found])
    return sum(count - 1 for _, _, count, _ in found)


def _mark(connection: sqlite3.Connection, firsts: list[tuple[bytes, int]]) -> None:
    connection.executemany(
        "UPDATE items SET twin = CASE WHEN row = :first THEN NULL ELSE :first END, state = CASE "
        f"WHEN row = :first AND state = {DUPLICATE} THEN {UNLABELLED} "
        f"WHEN row != :first AND state = {UNLABELLED} THEN {DUPLICATE} ELSE state END "
        "WHERE content = :content",
        [{"content": content, "first": first} for content, first in firsts],
    )


def known(database: Database, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """``(n, 16)`` digests of contents by row, ascending; zeros where none is known."""
    found = np.zeros((len(rows), CONTENT_BYTES), np.uint8)
    if not len(rows):
        return found
    # A range is read four times as fast as a list, and rows are mostly dense.
    first, last = int(rows[0]), int(rows[-1])
    dense = last - first < _DENSE * len(rows)
    test = "BETWEEN ? AND ?" if dense else "IN (SELECT value FROM json_each(?))"
    with database.reading() as connection:
        numbers, digests = connection.execute(  # one step, not one a row: see `note`
            "SELECT group_concat(row), group_concat(hex(content), '') FROM items "
            f"WHERE row {test} AND fresh AND content IS NOT NULL",
            (first, last) if dense else (json.dumps(rows.tolist()),),
        ).fetchone()
    if numbers is not None:
        there = np.array(json.loads(f"[{numbers}]"), np.int64)
        told = np.frombuffer(bytes.fromhex(digests), np.uint8).reshape(-1, CONTENT_BYTES)
        order = np.argsort(there)
        at = np.searchsorted(there, rows, sorter=order)
        at[at == len(there)] = 0
        at = order[at]
        same = there[at] == rows
        found[same] = told[at[same]]
    return found
