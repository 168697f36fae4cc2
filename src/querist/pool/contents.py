"""What digests of contents tell: which items changed, and which are copies of an earlier one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.pool.database import Database
from querist.pool.digests import CONTENT_BYTES
from querist.pool.schema import DUPLICATE, UNLABELLED


class Noted(NamedTuple):
    """What new digests told.

    Attributes:
        changed: Items whose content is another than it was.
        duplicates: Items, among those of these contents, that are copies of an earlier one.
    """

    changed: int = 0
    duplicates: int = 0


def note(connection: sqlite3.Connection, contents: Mapping[int, bytes]) -> Noted:
    """Record contents by row; to be called in a transaction."""
    if not contents:
        return Noted()
    found = connection.execute(
        "SELECT row, content, fresh FROM items WHERE row IN (SELECT value FROM json_each(?))",
        (json.dumps([int(row) for row in contents]),),
    ).fetchall()
    new = [(contents[row], row) for row, old, fresh in found if old != contents[row] or not fresh]
    other = [(row, old) for row, old, _ in found if old is not None and old != contents[row]]
    connection.executemany("UPDATE items SET content = ?, fresh = 1 WHERE row = ?", new)
    connection.executemany(
        "UPDATE items SET stale = 1 WHERE row = ? AND label IS NOT NULL", [(r,) for r, _ in other]
    )
    touched = {content for content, _ in new} | {old for _, old in other}
    return Noted(len(other), mark_copies(connection, touched))


def mark_copies(connection: sqlite3.Connection, contents: Iterable[bytes]) -> int:
    """Set which items of these contents are copies of their first; returns how many are."""
    wanted, copies = list(contents), 0
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        found = connection.execute(
            "SELECT content, min(row), count(*), count(twin) FROM items "
            f"WHERE content IN ({marks}) GROUP BY content HAVING count(*) > 1 OR count(twin) > 0",
            part,
        ).fetchall()
        copies += sum(count - 1 for _, _, count, _ in found)
        _mark(connection, [(content, first) for content, first, _, _ in found])
    return copies


def _mark(connection: sqlite3.Connection, firsts: list[tuple[bytes, int]]) -> None:
    connection.executemany(
        "UPDATE items SET twin = CASE WHEN row = ?2 THEN NULL ELSE ?2 END, state = CASE "
        f"WHEN row = ?2 AND state = {DUPLICATE} THEN {UNLABELLED} "
        f"WHEN row != ?2 AND state = {UNLABELLED} THEN {DUPLICATE} ELSE state END "
        "WHERE content = ?1",
        firsts,
    )


def known(database: Database, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """``(n, 16)`` digests of contents by row, ascending; zeros where none is known."""
    found = np.zeros((len(rows), CONTENT_BYTES), np.uint8)
    if not len(rows):
        return found
    with database.reading() as connection:
        # A range and not a list: it is read four times as fast, and rows are mostly dense.
        told = connection.execute(
            "SELECT row, content FROM items WHERE row BETWEEN ? AND ? AND fresh "
            "AND content IS NOT NULL ORDER BY row",
            (int(rows[0]), int(rows[-1])),
        ).fetchall()
    if told:
        there = np.fromiter((row for row, _ in told), np.int64, len(told))
        digests = np.frombuffer(b"".join([digest for _, digest in told]), np.uint8)
        at = np.searchsorted(there, rows)
        at[at == len(there)] = 0
        same = there[at] == rows
        found[same] = digests.reshape(-1, CONTENT_BYTES)[at[same]]
    return found
