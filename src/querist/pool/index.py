"""Reading a pool's items: one, some, a page, all in pages; never all in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.pool import columns, labelling, lookup
from querist.pool.database import Database
from querist.pool.errors import BadFilter
from querist.pool.items import (
    COLUMNS,
    LOCATED,
    TABLES,
    Event,
    Item,
    Located,
    in_order,
    item_of,
)
from querist.pool.schema import STATES
from querist.pool.where import Condition, Where, condition, rows_after

PAGE = 65_536
_BY_SIZE = [COLUMNS.split(", ").index(f"items.{name}") for name in ("metadata", "inline", "label")]


class ItemPage(NamedTuple):
    """Some items, by row.

    Attributes:
        items: Those of this page.
        after: What to give for the next one; None where there is none.
    """

    items: list[Item]
    after: int | None


class Index:
    """What is asked of a pool's items.

    Args:
        database: The pool's.
        name: The pool's, for errors.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name

    def count(self, where: Where) -> int:
        """How many items there are."""
        test = condition(where)
        with self._database.reading() as connection:
            found = connection.execute(
                f"SELECT count(*) FROM items WHERE {test.sql}", test.values
            ).fetchone()
        return int(found[0])

    def counts(self) -> dict[str, int]:
        """How many items are in each state."""
        with self._database.reading() as connection:
            found = dict(connection.execute("SELECT state, count(*) FROM items GROUP BY state"))
        return {name: found.get(number, 0) for number, name in enumerate(STATES)}

    def item(self, id: str) -> Item:
        """One item; raises UnknownItem."""
        with self._database.reading() as connection:
            row = lookup.rows_of(connection, self._name, [id])[id]
            found = connection.execute(
                f"SELECT {COLUMNS} FROM {TABLES} WHERE items.row = ?", (row,)
            ).fetchone()
            if found is None:  # forgotten in between
                raise lookup.unknown(connection, self._name, id)
            return item_of(found, columns.known(connection))

    def items(self, where: Where, after: int, limit: int) -> list[Item]:
        """A page of items, by row."""
        if limit < 0:
            raise BadFilter(f"A page has at least 0 items, got a limit of {limit}.")
        with self._database.reading() as connection:
            found = connection.execute(*_items_after(where, after, limit)).fetchall()
            names = columns.known(connection)
        return [item_of(values, names) for values in found]

    def page(self, where: Where, after: int, limit: int, max_bytes: int) -> ItemPage:
        """A page of items, which ends early where it would have too many bytes."""
        items, held = list[Item](), 0
        with self._database.reading() as connection:
            names = columns.known(connection)
            found = connection.execute(*_items_after(where, after, limit + 1))
            for values in found:  # one at a time, so that no more than fits is held
                held += sum(len(values[place] or "") for place in _BY_SIZE)
                if items and (len(items) >= limit or held > max_bytes):
                    return ItemPage(items, items[-1].row)
                items.append(item_of(values, names))
        return ItemPage(items, None)

    def rows(self, where: Where, page: int) -> Iterator[NDArray[np.int64]]:
        """Rows in order, as arrays of at most ``page``; no lock is held between them."""
        after, full = 0, True
        while full:
            query = rows_after(where, after, page)
            with self._database.reading() as connection:
                found = connection.execute(query.sql, query.values)
                rows = np.fromiter(chain.from_iterable(found.fetchall()), np.int64)
            full = len(rows) == page
            if len(rows):
                yield rows
                after = int(rows[-1])

    def fetch(self, rows: Iterable[int] | NDArray[np.int64]) -> list[Item]:
        """Items by row, in that order; rows that are no longer there are left out."""
        wanted = [int(row) for row in rows]
        with self._database.reading() as connection:
            found = connection.execute(
                f"SELECT {COLUMNS} FROM {TABLES} WHERE items.row IN "
                "(SELECT value FROM json_each(?))",
                (json.dumps(wanted),),
            ).fetchall()
            names = columns.known(connection)
        return in_order(found, wanted, names)

    def located(self, rows: NDArray[np.int64]) -> list[Located]:
        """What it takes to read and to name these items, in no order."""
        with self._database.reading() as connection:
            found = connection.execute(
                f"SELECT {LOCATED} FROM {TABLES} WHERE items.row IN "
                "(SELECT value FROM json_each(?))",
                (json.dumps(rows.tolist()),),
            ).fetchall()
        return [Located._make(values) for values in found]

    def history(self, id: str) -> list[Event]:
        """All that was ever said of an item."""
        with self._database.reading() as connection:
            row = lookup.rows_of(connection, self._name, [id])[id]
            found = connection.execute(
                "SELECT event, at, annotator, kind, value FROM events WHERE row = ? ORDER BY event",
                (row,),
            ).fetchall()
        return [labelling.event_of(values) for values in found]

    def standing(self, rows: Iterable[int]) -> dict[int, labelling.Standing]:
        """What each annotator said last, by row."""
        with self._database.reading() as connection:
            return labelling.standing(connection, rows)

    def classes(self) -> tuple[str, ...]:
        """The classes learned so far."""
        with self._database.reading() as connection:
            return labelling.class_list(connection)


def _items_after(where: Where, after: int, limit: int) -> tuple[str, tuple[Any, ...]]:
    """The statement for a page of items behind a row, and its values."""
    test = condition(where)
    if test.states:
        query = rows_after(where, after, limit)
        test = Condition(f"items.row IN ({query.sql})", query.values)
    sql = f"SELECT {COLUMNS} FROM {TABLES} WHERE {test.sql} AND items.row > ? "
    return f"{sql} ORDER BY items.row LIMIT ?", (*test.values, after, limit)
