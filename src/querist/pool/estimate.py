"""What a query will cost, before it runs: requests, bytes, seconds, labels."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np

from querist.pool.database import Database
from querist.pool.index import Index
from querist.pool.query_settings import parse_query
from querist.pool.where import condition
from querist.sources.opening import Sources
from querist.sources.source import SourceError
from querist.sources.uris import scheme_of

_PROBES = 12
_SECONDS = 5.0


class Estimate(NamedTuple):
    """What a query will cost at most: nothing is taken from caches.

    Attributes:
        items: Candidates that will be looked at.
        requests: To the sources: reads of items that are not inline.
        bytes: To be read; None where more than half of the sizes are unknown.
        seconds: For reading, from a few reads that were timed; None where none succeeded. The
            model's time comes to it where it is longer.
        labels: How many a person will be asked for.
        notes: What this rests on.
        details: Items by scheme, and what was measured.
    """

    items: int
    requests: int
    bytes: int | None
    seconds: float | None
    labels: int
    notes: list[str]
    details: dict[str, Any]


def estimate(
    database: Database, index: Index, sources: Sources, settings: Any, probes: int = _PROBES
) -> Estimate:
    """Estimate a query, as :class:`~querist.pool.query_settings.QuerySettings` or a mapping.

    Args:
        database: The pool's.
        index: The pool's.
        sources: The pool's; read from for at most a few seconds.
        settings: The query's.
        probes: How many items are read to measure; 0 for none.
    """
    asked = parse_query(settings)
    test = condition(asked.where)
    with database.reading() as connection:
        items, inline, known, size = connection.execute(
            "SELECT count(*), coalesce(sum(kind != 0), 0), coalesce(sum(size IS NOT NULL), 0), "
            f"coalesce(sum(size), 0) FROM items WHERE {test.sql}",
            test.values,
        ).fetchone()
    notes = ["Nothing is taken from caches: a second round costs less."]
    budget = asked.budget
    labels = min(items, math.ceil(budget * items) if budget < 1 else int(budget))
    total: int | None = size
    if known < items:
        total = round(size / known * items) if 2 * known >= items else None
        notes.append(f"The size of {items - known:,} items is not known.")
    rate, details = _measured(index, sources, asked.where, probes, notes)
    requests = items - inline
    seconds = requests / rate if rate else (0.0 if requests == 0 else None)
    return Estimate(items, requests, total, seconds, labels, notes, details)


def _measured(
    index: Index, sources: Sources, where: Any, probes: int, notes: list[str]
) -> tuple[float | None, dict[str, Any]]:
    """Reads a second, with as many at once as the source is made for."""
    found = [item.uri for item in index.items(where, 0, 50 * max(probes, 1)) if item.uri]
    if not found or not probes:
        return None, {}
    places = np.linspace(0, len(found) - 1, min(probes, len(found))).astype(int)
    spent, failed, until = list[float](), 0, time.monotonic() + _SECONDS
    for place in np.unique(places):
        if time.monotonic() > until:
            break
        start = time.monotonic()
        try:
            sources.read(found[int(place)])
        except SourceError:
            failed += 1
        else:
            spent.append(time.monotonic() - start)
    if failed:
        notes.append(f"{failed} of {failed + len(spent)} items read for measuring failed.")
    if not spent:
        return None, {"failed": failed}
    uri = found[0]
    at_once = sources.concurrency(uri)
    notes.append(f"Seconds are for reading, from {len(spent)} reads, {at_once} at once.")
    median = float(np.median(spent))
    told = {"scheme": scheme_of(uri), "seconds_a_read": median, "at_once": at_once}
    return at_once / max(median, 1e-6), told
