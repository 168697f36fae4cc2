"""The job of suggestions. What models gave is in the pool's caches for the next try."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from querist.pool.pool import Pool
from querist.pool.suggested import keep
from querist.pool.suggesting import suggest
from querist.service.jobs.checks import stopped, teller, unless_stopped
from querist.service.jobs.line import DONE, Line, Wish


def make_suggestions(told: Mapping[str, Any], line: Line, wish: Wish) -> int:
    """Ask a model about unlabelled items, and keep what it says."""
    asked = told["asked"]
    with Pool.open(told["pool"]) as pool:
        every = (int(row) for rows in pool.rows("unlabelled") for row in rows)
        wanted = list(islice(every, asked["limit"]))
        tell = teller(line, wish, "items by the model", len(wanted))
        found = unless_stopped(lambda: suggest(pool, asked["model"], wanted, tell))
        if found is None:
            return stopped(wish)
        keep(pool.folder, found, asked["version"])
    line.end({"suggested": len(found)})
    return DONE
