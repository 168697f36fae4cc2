"""Maps of pools: kept in the folder of their job, by rows; what items are now, the pool says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from querist.pool.map import PoolMap, read_map, strike_from_map, write_map
from querist.pool.pool import Pool
from querist.service.checks import ALL
from querist.service.index.index import Index, newest_first
from querist.service.wire.maps import MapPoints
from querist.service.workspace import Workspace

MAP = "map.npy"
_DIGITS = 6  # more than a screen can show


def keep_map(folder: Path, made: PoolMap) -> None:
    """Write a map down."""
    write_map(folder / MAP, made)


def points_of(pool: Pool, folder: Path) -> MapPoints:
    """Where items lie, and what they are now."""
    rows, places = read_map(folder / MAP)
    at = {item.row: item for item in pool.fetch(rows)}
    there = [place for place, row in enumerate(rows.tolist()) if row in at]
    items = [at[row] for row in rows[there].tolist()]
    x, y = ([float(f"{one:.{_DIGITS}g}") for one in axis] for axis in places[there].T.tolist())
    return MapPoints.model_construct(
        ids=[item.id for item in items],
        x=x,
        y=y,
        states=[item.state for item in items],
        labels=[item.label for item in items],
    )


def strike_from_maps(index: Index, workspace: Workspace, pool: str, rows: list[int]) -> None:
    """Remove forgotten items from the maps of their pool."""
    with index.read() as connection:
        jobs = newest_first(connection, "jobs", {"pool": pool, "kind": "map"}, None, ALL)
    for job in jobs:
        file = workspace.job(job["tenant"], job["id"]) / MAP
        if file.is_file():
            strike_from_map(file, np.array(rows, np.int64))
