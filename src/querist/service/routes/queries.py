"""Queries: begin one, look at its result."""

from __future__ import annotations

from typing import Any

from querist.service.call import Call, Download
from querist.service.index.index import Row, find
from querist.service.jobs.records import PICKING, new_job, told
from querist.service.models import opened_by
from querist.service.problems import Refused, missing
from querist.service.queries import picks, picks_of, settings_of
from querist.service.routes.jobs import jobs_page
from querist.service.routes.labels import exported
from querist.service.routes.paging import After, Limit, PathId, number_of
from querist.service.wire.base import Page
from querist.service.wire.jobs import Job, JobState
from querist.service.wire.pools import ManifestFormat
from querist.service.wire.queries import Estimate, Pick, Query, QueryCreate
from querist.service.workspace import erase
from querist.store.errors import RunExists


def create_query(call: Call, pool: PathId, body: QueryCreate) -> Query:
    """Begin a query: a job."""
    return begin_query(call, pool, body)


def begin_query(call: Call, pool: str, body: QueryCreate) -> Query:
    """Write a query's folder, then record its job: what has a row has a folder."""
    from querist.pool.query import start_query

    service = call.service
    job = call.new_id("job")
    with service.index.read() as connection:
        service.owned(connection, call.who, "pools", "pool", pool)
        found = find(connection, "jobs", id=job)
        if found is not None:  # the same request, whose server died before it answered
            return _query(found)
        service.check_jobs(connection, call.who)
    settings = settings_of(body, library_model(call, body.model), service.settings)
    with service.opened(call.who, pool) as opened:
        try:
            folder = start_query(opened, settings, id=job, git=service.code)
        except RunExists:  # likewise, between the folder and the row
            folder = opened.folder / "queries" / job
    row = {
        "id": job,
        "tenant": call.who.tenant,
        "pool": pool,
        "kind": "query",
        "folder": str(folder.resolve().relative_to(service.workspace.data)),
        "asked": {"query": body.model_dump(mode="json")},
    }
    try:
        with service.index.write() as connection:
            service.check_jobs(connection, call.who)  # others may have come meanwhile
            row = new_job(connection, row)
    except Refused:
        erase(folder)
        raise
    service.runner.poke()
    return _query(row)


def library_model(call: Call, model: str | None) -> dict[str, Any] | None:
    """A registered model as the library takes it; None for built-in features."""
    settings = registered_model(call, model)
    return None if settings is None else opened_by(call.service, call.who, settings)


def registered_model(call: Call, model: str | None) -> dict[str, Any] | None:
    """The settings of a registered model, as they were registered."""
    if model is None:
        return None
    with call.service.index.read() as connection:
        row = find(connection, "models", id=model, tenant=call.who.tenant)
    if row is None:
        raise Refused("invalid", f"There is no model {model!r}.")
    found: dict[str, Any] = row["settings"]
    return found


def estimate_query(call: Call, pool: PathId, body: QueryCreate) -> Estimate:
    """What a query will cost, without running it."""
    settings = settings_of(body, library_model(call, body.model), call.service.settings)
    with call.service.pool(call.who, pool) as opened:
        return Estimate.model_validate(opened.estimate(settings)._asdict())


def list_queries(
    call: Call,
    limit: Limit = 100,
    after: After = "",
    pool: PathId | None = None,
    state: JobState | None = None,
) -> Page[Query]:
    """Queries of your tenant, the newest first."""
    where: Row = {"pool": pool, "kind": PICKING, "state": state}
    found: Page[Job] = jobs_page(call, where, limit, after)
    return Page[Query].model_construct(items=found.items, next=found.next)


def get_query(call: Call, query: PathId) -> Query:
    """One query."""
    return _query(_row(call, query))


def query_picks(call: Call, query: PathId, limit: Limit = 1000, after: After = "") -> Page[Pick]:
    """The result: ids, URIs, scores and why, the most useful first."""
    return picks_of(call.service.workspace, _row(call, query), number_of(after), limit)


def query_manifest(call: Call, query: PathId, format: ManifestFormat = "jsonl") -> Download:
    """The result as a manifest, in one of the formats of pools."""
    row = _row(call, query)
    ids = [pick.id for pick in picks(call.service.workspace, row)]
    with call.service.pool(call.who, row["pool"]) as opened:
        return exported(call, opened, format, {"id": ids}, row["id"])


def _row(call: Call, query: str) -> Row:
    row = call.service.own(call.who, "jobs", "query", query)
    if row["kind"] not in PICKING:
        raise missing("query", query)
    return row


def _query(row: Row) -> Query:
    found = told(row)
    assert isinstance(found, Query)
    return found
