"""What a query will cost, before it runs: requests, bytes, seconds, labels."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from querist.pool.database import Database
from querist.pool.index import Index
from querist.pool.query_needs import LABELLED, TARGET_ROWS, TARGETS, needs_of
from querist.pool.query_settings import QuerySettings, parse_query
from querist.pool.query_state import CANDIDATES
from querist.pool.where import condition
from querist.sources.opening import Sources
from querist.sources.source import SourceError
from querist.sources.uris import scheme_of
from querist.strategies.registry import get

_PROBES = 12
_SECONDS = 5.0


class Estimate(NamedTuple):
    """What a query will cost at most: nothing is taken from caches.

    Attributes:
        items: Candidates that can be picked.
        requests: To the sources: reads of items that are not inline.
        bytes: To be read; where sizes are not known, by those of a few items that were read; None
            where none could be read.
        seconds: For reading, from a few reads that were timed; None where none succeeded. The
            model's time comes to it where it is longer.
        labels: How many a person will be asked for.
        notes: What this rests on.
        details: What was measured.
    """

    items: int
    requests: int
    bytes: int | None
    seconds: float | None
    labels: int
    notes: list[str]
    details: dict[str, Any]


class _Counted(NamedTuple):
    """Items of a filter: how many, of these inline and of known size, and the sum of the sizes."""

    items: int = 0
    inline: int = 0
    known: int = 0
    size: int = 0

    def plus(self, other: _Counted) -> _Counted:
        return _Counted(*(a + b for a, b in zip(self, other, strict=True)))


class _Measured(NamedTuple):
    """Of a few reads: the median of the seconds, the mean of the bytes, how many at once."""

    seconds: float
    size: float
    at_once: int
    details: dict[str, Any]


def estimate(
    database: Database,
    index: Index,
    sources: Sources,
    settings: QuerySettings | Mapping[str, Any],
    probes: int = _PROBES,
) -> Estimate:
    """Estimate a query.

    Args:
        database: The pool's.
        index: The pool's.
        sources: The pool's; read from for at most a few seconds.
        settings: The query's.
        probes: How many items are read to measure; 0 for none.
    """
    asked = parse_query(settings)
    candidates, read = _counts(database, asked)
    notes = ["Nothing is taken from caches: a second round costs less."]
    budget = asked.budget
    labels = math.ceil(budget * candidates.items) if budget < 1 else int(budget)
    requests, unknown = read.items - read.inline, read.items - read.known
    if not read.items:
        notes = [f"The strategy {asked.strategy!r} looks at no item."]
    found = _measured(index, sources, asked.where, probes, notes) if requests else None
    total: int | None = read.size
    if unknown:
        total = None if found is None else round(read.size + unknown * found.size)
        by = "" if found is None else ", and taken to be that of the items read"
        notes.append(f"The size of {unknown:,} items is not known{by}.")
    seconds = 0.0 if not requests else None
    if found is not None:
        seconds = requests * max(found.seconds, 1e-6) / found.at_once
    details = found.details if found is not None else {}
    labels = min(candidates.items, labels)
    return Estimate(candidates.items, requests, total, seconds, labels, notes, details)


def _counts(database: Database, asked: QuerySettings) -> tuple[_Counted, _Counted]:
    """The candidates, and all that the strategy has read; targets are candidates read again."""
    with database.reading() as connection:
        candidates, labelled = (_counted(connection, w) for w in (asked.where, "labelled"))
    scanned = needs_of(get(asked.strategy), labelled.items > 0).scanned
    read = candidates if CANDIDATES in scanned else _Counted()
    read = read.plus(labelled) if LABELLED in scanned else read
    if TARGETS in scanned and candidates.items:
        share = min(1.0, TARGET_ROWS / candidates.items)
        read = read.plus(_Counted(*(round(share * n) for n in candidates)))
    return candidates, read


def _counted(connection: sqlite3.Connection, where: Any) -> _Counted:
    test = condition(where)
    found = connection.execute(
        "SELECT count(*), coalesce(sum(kind != 0), 0), coalesce(sum(size IS NOT NULL), 0), "
        f"coalesce(sum(size), 0) FROM items WHERE {test.sql}",
        test.values,
    )
    return _Counted(*found.fetchone())


def _measured(
    index: Index, sources: Sources, where: Any, probes: int, notes: list[str]
) -> _Measured | None:
    """A few reads, one after the other; None where none succeeded."""
    found = [item.uri for item in index.items(where, 0, 50 * max(probes, 1)) if item.uri]
    if not found or not probes:
        return None
    places = np.linspace(0, len(found) - 1, min(probes, len(found))).astype(int)
    spent, sizes, failed = list[float](), list[int](), 0
    until = time.monotonic() + _SECONDS
    for place in np.unique(places):
        if time.monotonic() > until:
            break
        start = time.monotonic()
        try:
            data = sources.read(found[int(place)])
        except SourceError:
            failed += 1
        else:
            spent.append(time.monotonic() - start)
            sizes.append(len(data))
    if failed:
        notes.append(f"{failed} of {failed + len(spent)} items read for measuring failed.")
    if not spent:
        return None
    uri = found[0]
    at_once = sources.concurrency(uri)
    notes.append(f"Seconds are for reading, from {len(spent)} reads, {at_once} at once.")
    median = float(np.median(spent))
    told = {"scheme": scheme_of(uri), "seconds_a_read": median, "at_once": at_once}
    return _Measured(median, float(np.mean(sizes)), at_once, told)
