"""The job that makes a map. What models gave is in the pool's caches for the next try."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.pool.map import Drawing, map_of
from querist.pool.pool import Pool
from querist.service.jobs.checks import stopped, teller, unless_stopped
from querist.service.jobs.line import DONE, Line, Wish
from querist.service.maps import keep_map


def make_map(told: Mapping[str, Any], line: Line, wish: Wish) -> int:
    """Lay the items of a pool out in the plane."""
    asked = told["asked"]["map"]
    with Pool.open(told["pool"]) as pool:
        tell = teller(line, wish, "features of items", min(len(pool), asked["limit"]))
        how = Drawing(
            told["asked"]["model"], asked["method"], asked["limit"], _picked(pool, asked["queries"])
        )
        found = unless_stopped(lambda: map_of(pool, how, tell))
    if found is None:
        return stopped(wish)
    keep_map(Path(told["home"]), found)
    made = {"points": len(found.rows), "left_out": found.left_out, "shares": list(found.shares)}
    line.end({"made": made})
    return DONE


def _picked(pool: Pool, queries: list[str]) -> Any:
    """The rows of all picks that are still there."""
    from querist.pool.query import query_picks

    picks = [pick.row for one in queries for pick in query_picks(pool.folder / "queries" / one)]
    return np.array(picks, np.int64)
