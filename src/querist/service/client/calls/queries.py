"""Queries: which items to label next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

from querist.service.client.call import Call, Flow, Listing, get, pages, path_of, post
from querist.service.client.calls.references import ModelRef, Ref, job_id, model_id, pool_id
from querist.service.wire.base import Page
from querist.service.wire.queries import Estimate, Pick, Query, QueryCreate


class QueryOptions(TypedDict, total=False):
    """What a query is told; what is left out, the service chooses.

    Attributes:
        budget: Items to pick: a whole number, or a share of the candidates such as 0.25.
        model: A registered model by id or name, or settings such as {"use": "onnx", ...}.
        strategy: Its name, and ``options`` of it.
        seed: Two queries with one seed pick the same.
        where: Which items are candidates: "unlabelled", "all" ..., or a filter such as
            {"metadata": {"city": "Rome"}}.
        workers: Processes that share the query.
        scan: How the pool is read: {"memory_mb": 1000, ...}.
        note: For people.
    """

    budget: int | float
    model: ModelRef
    strategy: str
    options: Mapping[str, Any]
    seed: int
    where: str | Mapping[str, Any]
    workers: int
    scan: Mapping[str, Any]
    note: str


def _asked(said: QueryOptions) -> Flow[QueryCreate]:
    model = yield from model_id(said.get("model"))
    return QueryCreate.model_validate({**said, "model": model})


def start_query(pool: Ref, *, once: str = "", **said: Unpack[QueryOptions]) -> Flow[Query]:
    """Begin a query; with the same text in ``once``, a second call gives the first one's."""
    body = yield from _asked(said)
    id_ = yield from pool_id(pool)
    begun: Query = yield from post(Query, "pools", id_, "queries", body=body, once=once)
    return begun


def estimate(pool: Ref, **said: Unpack[QueryOptions]) -> Flow[Estimate]:
    """What a query will cost: requests, bytes, seconds, labels. Nothing is run."""
    body = yield from _asked(said)
    id_ = yield from pool_id(pool)
    found: Estimate = yield from post(Estimate, "pools", id_, "estimates", body=body)
    return found


def queries(pool: Ref = "", state: str = "") -> Listing[Query]:
    """Queries, the newest first; of a pool, in a state."""

    def page(after: str | None) -> Flow[Page[Query]]:
        id_ = (yield from pool_id(pool)) if pool else ""
        found: Page[Query] = yield from pages(Query, "queries", pool=id_, state=state)(after)
        return found

    return Listing(page)


def query_status(query: Ref) -> Flow[Query]:
    """One query as it stands."""
    found: Query = yield from get(Query, "queries", job_id(query))
    return found


def picks(query: Ref) -> Listing[Pick]:
    """The result of a query, the most useful item first."""
    return Listing(pages(Pick, "queries", job_id(query), "picks"))


def save_picks(query: Ref, to: Path | str, format: str = "csv") -> Flow[Path]:
    """Write the result of a query as a manifest."""
    path = path_of("queries", job_id(query), "manifest")
    written: Path = yield Call("GET", path, Path, {"format": format}, save=Path(to))
    return written
