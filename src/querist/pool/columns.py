"""The order in which tables named their columns.

Rows are kept sorted by name, since ids and contents are digests of what is kept; people see them in
the order of their file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

_MOST = 1000  # rows of JSON may each have names of their own
_NAME = "columns"


def known(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The columns met so far, in the order in which they were met."""
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (_NAME,)).fetchone()
    return () if found is None else tuple(json.loads(found[0]))


def learn(connection: sqlite3.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Note columns that were not met before, in a transaction."""
    before = known(connection)
    names = dict.fromkeys(before)
    for row in rows:
        if not row.keys() <= names.keys():
            names.update(dict.fromkeys(row))
    after = list(names)[:_MOST]
    if len(after) > len(before):
        told = json.dumps(after, ensure_ascii=False)
        connection.execute("REPLACE INTO meta VALUES (?, ?)", (_NAME, told))


def ordered(row: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """A row in the order of columns; others come last."""
    return {**{name: row[name] for name in columns if name in row}, **row}
