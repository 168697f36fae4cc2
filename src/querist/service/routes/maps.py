"""Maps of pools."""

from __future__ import annotations

from importlib.util import find_spec

from querist.service.call import Call
from querist.service.index.index import find
from querist.service.jobs.records import PICKING
from querist.service.maps import points_of
from querist.service.problems import Refused, missing
from querist.service.routes.checks import begun
from querist.service.routes.paging import PathId
from querist.service.routes.queries import library_model
from querist.service.wire.jobs import JobState
from querist.service.wire.maps import MapCreate, MapJob, MapPoints, Method


def create_map(call: Call, pool: PathId, body: MapCreate) -> MapJob:
    """Lay the items of a pool out in the plane, by what a model sees in them: a job."""
    call.service.own(call.who, "pools", "pool", pool)
    if body.method not in methods():
        raise Refused("invalid", "This server has no UMAP (the extra umap of Querist); use pca.")
    with call.service.index.read() as connection:
        for query in body.queries:
            row = find(connection, "jobs", id=query, pool=pool, tenant=call.who.tenant)
            if row is None or row["kind"] not in PICKING or row["state"] != JobState.DONE:
                raise Refused("invalid", f"{query} is no finished query of this pool.")
    asked = body.model_dump(mode="json")
    job = begun(call, pool, "map", {"map": asked, "model": library_model(call, body.model)})
    assert isinstance(job, MapJob)
    return job


def methods() -> list[Method]:
    """How maps can be drawn here."""
    return ["pca", "umap"] if find_spec("umap") is not None else ["pca"]


def map_points(call: Call, map: PathId) -> MapPoints:
    """Where the items of a map lie, and what they are now."""
    row = call.service.own(call.who, "jobs", "map", map)
    if row["kind"] != "map":
        raise missing("map", map)
    if row["state"] != JobState.DONE:
        raise Refused("conflict", f"The map is {row['state']}; it has points when it is done.")
    folder = call.service.workspace.job(row["tenant"], row["id"])
    with call.service.opened(call.who, row["pool"]) as pool:
        return points_of(pool, folder)
