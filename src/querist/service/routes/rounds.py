"""Rounds: label, train, query, and again."""

from __future__ import annotations

from querist.service.call import Call
from querist.service.index.index import Row, count, find, insert, newest_first, now
from querist.service.jobs.records import told
from querist.service.problems import Refused
from querist.service.routes.paging import After, Limit, PathId, page_of
from querist.service.routes.queries import begin_query
from querist.service.wire.base import Page
from querist.service.wire.rounds import Round, RoundCreate


def list_rounds(call: Call, pool: PathId, limit: Limit = 100, after: After = "") -> Page[Round]:
    """Rounds of a pool, the newest first."""
    call.service.own(call.who, "pools", "pool", pool)
    with call.service.index.read() as connection:
        rows = newest_first(connection, "rounds", {"pool": pool}, after, limit + 1)
    return page_of(rows, limit, lambda row: _told(call, row))


def create_round(call: Call, pool: PathId, body: RoundCreate) -> Round:
    """Begin the next round: a query by the model as it is now."""
    call.service.own(call.who, "pools", "pool", pool)
    if body.trainer:
        raise Refused("invalid", "Training by the server is not there yet.")
    query = begin_query(call, pool, body.query)
    made: Row = {
        "id": call.new_id("rnd"),
        "tenant": call.who.tenant,
        "pool": pool,
        "job": query.id,
        "asked": body.model_dump(mode="json"),
        "created": now(),
    }
    with call.service.index.write() as connection:
        found = find(connection, "rounds", id=made["id"])
        if found is None:
            made["number"] = count(connection, "rounds", pool=pool) + 1
            insert(connection, "rounds", made)
    return _told(call, found or made)


def get_round(call: Call, round: PathId) -> Round:
    """One round."""
    return _told(call, call.service.own(call.who, "rounds", "round", round))


def _told(call: Call, row: Row) -> Round:
    with call.service.index.read() as connection:
        job = find(connection, "jobs", id=row["job"])
    query = told(job) if job else None
    return Round(
        id=row["id"],
        number=row["number"],
        pool=row["pool"],
        query=row["job"],
        state=query.state if query else "",
        model=row["asked"]["query"]["model"],
        created=row["created"],
    )
