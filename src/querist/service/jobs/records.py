"""Jobs in the index. Every change of a job's state is one transaction with its event and messages.

The row of the job is changed first, which locks it: so the events of one job have numbers in the
order in which they become visible, and a stream that goes on after one misses none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from querist.service.index.index import Connection, Row, change, insert, now
from querist.service.index.sql import sa
from querist.service.index.tables import tables
from querist.service.jobs.plan import Waiting
from querist.service.webhooks.outbox import enqueue
from querist.service.wire.checks import AgreementJob, ReviewJob
from querist.service.wire.jobs import AdditionJob, Job, JobState
from querist.service.wire.maps import MapJob
from querist.service.wire.queries import Query
from querist.service.wire.suggestions import SuggestionJob

PICKING = ("query", "round")
"""Kinds of jobs that have a query's folder."""

UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value, JobState.CANCELLING.value)
_LONGEST_ASKED = 1 << 16
_MESSAGES = {
    JobState.RUNNING: "job.started",
    JobState.DONE: "job.done",
    JobState.FAILED: "job.failed",
    JobState.CANCELLED: "job.cancelled",
}


def new_job(connection: Connection, row: Row) -> Row:
    """Record a job that waits; ``row`` has id, tenant, pool, kind, folder and asked."""
    full = {
        **row,
        "state": JobState.QUEUED.value,
        "progress": {},
        "result": {},
        "attempts": 0,
        "cancel": 0,
        "error": "",
        "runner": "",
        "created": now(),
        "started": None,
        "finished": None,
    }
    insert(connection, "jobs", full)
    _event(connection, full["id"], JobState.QUEUED, "")
    return full


def move(
    connection: Connection, row: Row, state: JobState, note: str = "", /, **values: Any
) -> bool:
    """Change a job's state, if it still is in the one that ``row`` says.

    Returns:
        Whether it was.
    """
    if state.final:
        values |= {"finished": now(), "runner": ""}
    where = {"id": row["id"], "state": row["state"]}
    if not change(connection, "jobs", where, state=state.value, **values):
        return False
    _event(connection, row["id"], state, note)
    row.update(values, state=state.value)
    if state in _MESSAGES and not (state is JobState.RUNNING and row["attempts"] > 1):
        enqueue(connection, row["tenant"], _MESSAGES[state], _message(row))
    return True


def _message(row: Row) -> dict[str, Any]:
    """What webhooks are told: a long question is left out, as each message is kept for days."""
    said: dict[str, Any] = told(row).model_dump(mode="json")
    if len(json.dumps(said.get("asked"))) > _LONGEST_ASKED:
        del said["asked"]
    return said


def _event(connection: Connection, job: str, state: JobState, note: str) -> None:
    insert(connection, "events", {"job": job, "state": state.value, "note": note, "at": now()})


def told(row: Row) -> Job:
    """A job as it goes on the wire; a query with what was asked."""
    values = {
        "id": row["id"],
        "kind": row["kind"],
        "pool": row["pool"],
        "state": row["state"],
        "progress": row["progress"],
        "attempts": row["attempts"],
        "error": row["error"],
        "created": row["created"],
        "started": row["started"],
        "finished": row["finished"],
    }
    result = row["result"]
    if row["kind"] == "addition":
        return AdditionJob(**values, added=result.get("added", {}))
    if row["kind"] == "review":
        return ReviewJob(**values, issues=result.get("issues"))
    if row["kind"] == "agreement":
        return AgreementJob(**values, agreement=result.get("agreement"))
    if row["kind"] == "map":
        return MapJob(**values, asked=row["asked"]["map"], made=result.get("made"))
    if row["kind"] == "suggestion":
        return SuggestionJob(**values, suggested=result.get("suggested"))
    if row["kind"] not in PICKING:
        return Job(**values)
    return Query(
        **values,
        asked=row["asked"]["query"],
        counts=result.get("counts", {}),
        digest=result.get("digest", ""),
    )


def waiting(connection: Connection, each: int) -> list[Waiting]:
    """The jobs of every tenant that have waited longest, so many of each.

    A tenant with a thousand jobs hides nobody else's, and costs no more than one with a few.
    """
    jobs, lib = tables().jobs, sa()
    # Since when a job waits: a suspended one since it was, which is about its last start.
    since = lib.func.coalesce(jobs.c.started, jobs.c.created)
    place = lib.func.row_number().over(partition_by=jobs.c.tenant, order_by=(since, jobs.c.id))
    columns = jobs.c.id, jobs.c.tenant, since.label("since"), place.label("place")
    queue = lib.select(*columns).where(jobs.c.state == JobState.QUEUED.value).subquery()
    first = lib.select(queue.c.id, queue.c.tenant, queue.c.since).where(queue.c.place <= each)
    return [Waiting(*row) for row in connection.execute(first.order_by(queue.c.since, queue.c.id))]


def active(connection: Connection) -> list[Row]:
    """Jobs that some runner has."""
    jobs = tables().jobs
    query = sa().select(jobs).where(jobs.c.state.in_(UNFINISHED[1:]))
    return [dict(row) for row in connection.execute(query).mappings()]


def served(connection: Connection, since: float) -> dict[str, float]:
    """Seconds of work by tenant, of jobs that were made since an instant."""
    jobs = tables().jobs
    query = (
        sa()
        .select(jobs.c.tenant, sa().func.sum(jobs.c.seconds))
        .where(jobs.c.created >= since)
        .group_by(jobs.c.tenant)
    )
    return {tenant: float(seconds or 0) for tenant, seconds in connection.execute(query)}


def by_ids(connection: Connection, ids: Sequence[str]) -> dict[str, Row]:
    """Jobs by id."""
    jobs = tables().jobs
    found = connection.execute(sa().select(jobs).where(jobs.c.id.in_(ids))).mappings()
    return {row["id"]: dict(row) for row in found}


def shown_by_ids(connection: Connection, ids: Sequence[str]) -> dict[str, Row]:
    """The same to be told: what was asked comes only where it is told, as it may be long."""
    jobs, lib = tables().jobs, sa()
    asked = lib.case((jobs.c.kind.in_((*PICKING, "map")), jobs.c.asked)).label("asked")
    columns = [asked if one.name == "asked" else one for one in jobs.c]
    found = connection.execute(lib.select(*columns).where(jobs.c.id.in_(ids))).mappings()
    return {row["id"]: dict(row) for row in found}


def events_after(connection: Connection, ids: Sequence[str], seq: int) -> list[Row]:
    """Events of these jobs with a higher number, in order."""
    events = tables().events
    query = sa().select(events).where(events.c.job.in_(ids), events.c.seq > seq)
    return [dict(row) for row in connection.execute(query.order_by(events.c.seq)).mappings()]
