"""Maps of pools: items in the plane."""

from __future__ import annotations

from collections.abc import Iterable

from querist.service.client.call import Flow, get, post
from querist.service.client.calls.references import ModelRef, Ref, job_id, model_id, pool_id
from querist.service.wire.maps import MapCreate, MapJob, MapPoints, Method


def start_map(
    pool: Ref,
    *,
    model: ModelRef = None,
    method: Method = "pca",
    limit: int = 10_000,
    queries: Iterable[Ref] = (),
    once: str = "",
) -> Flow[MapJob]:
    """Begin to lay the items of a pool out in the plane; ``map_points`` has it when it is done."""
    asked = [job_id(one) for one in queries]
    body = MapCreate(model=(yield from model_id(model)), method=method, limit=limit, queries=asked)
    id_ = yield from pool_id(pool)
    begun: MapJob = yield from post(MapJob, "pools", id_, "maps", body=body, once=once)
    return begun


def map_points(map: Ref) -> Flow[MapPoints]:
    """Where the items of a map lie, and what they are now."""
    found: MapPoints = yield from get(MapPoints, "maps", job_id(map), "points")
    return found
