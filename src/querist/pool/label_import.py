"""Taking labels for items that a pool has from a manifest."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from querist.pool import lookup
from querist.pool.fitting import Unfit, fitted
from querist.pool.items import Added, Broken
from querist.pool.manifests.record import Record
from querist.pool.roots import Roots
from querist.pool.settings import PoolSettings
from querist.pool.speaking import Statements
from querist.pool.tally import Tally, told


class LabelImporter:
    """Finds the item of each record, by its id, its URI or its inline data, and takes its labels.

    Args:
        settings: The pool's.
        tally: What counts; records of items that there are not are broken.
        only: Rows of the items that are asked about; records of others are passed over. None: all.
    """

    def __init__(
        self, settings: PoolSettings, tally: Tally, only: frozenset[int] | None = None
    ) -> None:
        self._settings, self._tally, self._only = settings, tally, only

    def merge(
        self, connection: sqlite3.Connection, roots: Roots, records: Sequence[Record], where: str
    ) -> None:
        """Take the labels of a batch of records, within a transaction."""
        named = lookup.known_rows(connection, [one.id for one in records if one.id])
        keys = {number: _key(one, roots) for number, one in enumerate(records)}
        placed = lookup.rows_of_keys(connection, [key for key in keys.values() if key is not None])
        statements = Statements(self._settings, self._tally, where)
        for number, one in enumerate(records):
            row = named.get(one.id) if one.id else None
            if row is None:
                row = placed.get(keys[number] or b"")
            if self._only is not None and row not in self._only:
                continue
            if row is None:
                name = one.id or one.uri or "this item"
                self._tally.break_on(
                    Broken(where, one.line, f"the pool does not have {name!r:.300}")
                )
            elif not one.said:
                self._tally.count("unlabelled")
            elif statements.take(row, one):
                self._tally.count("unchanged")
        statements.record(connection)


def _key(one: Record, roots: Roots) -> bytes | None:
    try:
        return fitted(one, roots).place.key
    except Unfit:
        return None


def why_nothing(added: Added) -> str:
    """Why an import took nothing of a file with rows; "" where it did, or labels were repeated."""
    rows = added.broken_total + added.unlabelled
    if added.unchanged or not rows:
        return ""
    if not added.broken:
        return (
            f"None of its {rows:,} rows has a label. Fill in its column 'label', or name another "
            "with: -c label=COLUMN"
        )
    more = f" (and {added.broken_total - 1:,} more)" if added.broken_total > 1 else ""
    return f"None of its {rows:,} rows could be used: {told(added.broken[0])}{more}"
