"""Jobs of all kinds."""

from __future__ import annotations

from querist.service.call import Call, Nothing, Stream
from querist.service.index.index import Row, change, find, newest_page
from querist.service.jobs.records import PICKING, UNFINISHED, move, told
from querist.service.jobs.removal import erase_job, erase_manifest
from querist.service.problems import Refused
from querist.service.queries import cancel_folder, failures_of
from querist.service.routes.paging import After, Limit, PathId, number_of, numbered, page_of
from querist.service.wire.base import Page
from querist.service.wire.jobs import Failure, Job, JobKind, JobState


def list_jobs(
    call: Call,
    limit: Limit = 100,
    after: After = "",
    pool: PathId | None = None,
    kind: JobKind | None = None,
    state: JobState | None = None,
) -> Page[Job]:
    """Jobs of your tenant, the newest first."""
    return jobs_page(call, {"pool": pool, "kind": kind, "state": state}, limit, after)


def jobs_page(call: Call, where: Row, limit: int, after: str) -> Page[Job]:
    """A page of the tenant's jobs."""
    with call.service.index.read() as connection:
        mine = {**where, "tenant": call.who.tenant}
        rows = newest_page(connection, "jobs", mine, after, limit)
    return page_of(rows, told)


def get_job(call: Call, job: PathId) -> Job:
    """One job."""
    return told(call.service.own(call.who, "jobs", "job", job))


def cancel_job(call: Call, job: PathId) -> Job:
    """End a job: at once when it waits, else at its next stop. What it found so far is kept."""
    row = call.service.own(call.who, "jobs", "job", job)
    with call.service.index.write() as connection:
        change(connection, "jobs", {"id": job}, cancel=1)
        row = find(connection, "jobs", id=job) or row
        if row["state"] == JobState.QUEUED:
            move(connection, row, JobState.CANCELLED)
        elif row["state"] == JobState.RUNNING:
            move(connection, row, JobState.CANCELLING)
        row = find(connection, "jobs", id=job) or row
    erase_manifest(row)
    if row["state"] == JobState.CANCELLED and row["kind"] in PICKING:
        cancel_folder(call.service.workspace, row)
    call.service.runner.poke()
    call.service.sender.poke()
    return told(row)


def remove_job(call: Call, job: PathId) -> Nothing:
    """Remove a finished job with its result."""
    service = call.service
    row = service.own(call.who, "jobs", "job", job)
    if row["state"] in UNFINISHED:
        raise Refused("conflict", "The job is not finished; cancel it first.")
    erase_job(service.index, service.workspace, row)
    return Nothing()


def job_events(call: Call, job: PathId) -> Stream:
    """State changes and progress as server-sent events, until the job is finished.

    With the header Last-Event-ID it goes on after that event; no state change is missed.
    """
    row = call.service.own(call.who, "jobs", "job", job)
    call.service.check_streams(call.who)
    return Stream(call.service.follow(call.who, row["id"], call.last_event))


def job_failures(call: Call, job: PathId, limit: Limit = 100, after: After = "") -> Page[Failure]:
    """Items that could not be used, and why."""
    row = call.service.own(call.who, "jobs", "job", job)
    if row["kind"] in PICKING:
        page = failures_of(call.service.workspace, row, number_of(after), limit)
    else:
        failures = [Failure.model_validate(one) for one in row["result"].get("failures", [])]
        page = numbered(failures, number_of(after), limit)
    hidden = call.service.workspace.hidden  # uploaded manifests are in the service's folder
    shown = [
        one.model_copy(update={"uri": hidden(one.uri), "message": hidden(one.message)})
        for one in page.items
    ]
    return page.model_copy(update={"items": shown})
