"""Labels: events that are only ever appended, and what holds for an item by them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from querist.pool.items import Event, encoded
from querist.pool.schema import DISPUTED, DUPLICATE, EMPTY, LABELLED, SKIPPED, UNLABELLED

KINDS = ("label", "skip", "withdraw", "decide")
LABEL, SKIP, WITHDRAW, DECIDE = range(4)


class Statement(NamedTuple):
    """What is to be recorded of an item: an event that has no number yet; ``value`` is JSON."""

    row: int
    annotator: str
    kind: int
    value: str | None


def record(connection: sqlite3.Connection, statements: Sequence[Statement], agreement: str) -> int:
    """Append events and bring the items up to date; to be called in a transaction.

    What an annotator repeats is not recorded again.

    Returns:
        How many events were appended.
    """
    if not statements:
        return 0
    known = standing(connection, {statement.row for statement in statements})
    kept, at = [], time.time()
    for statement in statements:
        by = known.setdefault(statement.row, {})
        said = (statement.kind, statement.value)
        if by.get(statement.annotator, (WITHDRAW, None)) == said:
            continue
        by.pop(statement.annotator, None)  # the latest stands last
        by[statement.annotator] = said
        kept.append((statement.row, at, statement.annotator, statement.kind, statement.value))
    connection.executemany(
        "INSERT INTO events (row, at, annotator, kind, value) VALUES (?, ?, ?, ?, ?)", kept
    )
    rows = {values[0] for values in kept}
    refresh(connection, {row: known[row] for row in rows}, agreement)
    return len(kept)


Standing = dict[str, tuple[int, str | None]]


def standing(connection: sqlite3.Connection, rows: Iterable[int]) -> dict[int, Standing]:
    """By row and annotator, what he said last (kind and JSON), the latest last."""
    found = connection.execute(
        "SELECT row, annotator, kind, value FROM events "
        "WHERE row IN (SELECT value FROM json_each(?)) ORDER BY event",
        (json.dumps(list(rows)),),
    )
    known: dict[int, Standing] = {}
    for row, annotator, kind, value in found:
        by = known.setdefault(row, {})
        by.pop(annotator, None)
        by[annotator] = (kind, value)
    return known


def refresh(connection: sqlite3.Connection, known: Mapping[int, Standing], agreement: str) -> None:
    """Write state and label of items from what stands of them."""
    values = []
    for row, by in known.items():
        state, label = settled([said for said in by.values() if said[0] != WITHDRAW], agreement)
        values.append({"state": state, "label": label, "row": row})
    connection.executemany(
        "UPDATE items SET stale = 0, label = :label, "
        f"state = CASE WHEN :state = {UNLABELLED} AND twin IS NOT NULL THEN {DUPLICATE} "
        "ELSE :state END WHERE row = :row",
        values,
    )


def settled(said: Sequence[tuple[int, str | None]], agreement: str) -> tuple[int, str | None]:
    """State and label by what annotators say, the latest last.

    A skip counts only where nobody labels the item; a decision counts, whatever annotators say.
    """
    decided = [value for kind, value in said if kind == DECIDE]
    labels = decided[-1:] or [value for kind, value in said if kind == LABEL]
    if not labels:
        return (SKIPPED if said else UNLABELLED), None
    chosen = labels[-1]
    if agreement == "majority":
        (chosen, most), *others = Counter(labels).most_common(2)
        if others and others[0][1] == most:
            return DISPUTED, None
    return (EMPTY if chosen == "[]" else LABELLED), chosen


def event_of(found: tuple[Any, ...]) -> Event:
    """From number, time, annotator, kind and value in the table."""
    number, at, annotator, kind, value = found
    return Event(number, at, annotator, KINDS[kind], None if value is None else json.loads(value))


def learn(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Append class names that are new."""
    known = set(class_list(connection))
    fresh = [name for name in dict.fromkeys(names) if name not in known]
    connection.executemany("INSERT INTO classes (name) VALUES (?)", [(name,) for name in fresh])


def class_list(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The learned classes, in the order in which they came."""
    found = connection.execute("SELECT name FROM classes ORDER BY number")
    return tuple(name for (name,) in found)


def statement(row: int, by: str, kind: int, value: Any) -> Statement:
    """What is to be recorded of an item."""
    return Statement(row, by, kind, None if kind == WITHDRAW else encoded(value))
