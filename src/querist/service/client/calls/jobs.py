"""Jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from querist.service.client.call import Flow, Listing, delete, get, pages, path_of, post
from querist.service.client.calls.references import Ref, job_id, pool_id
from querist.service.wire.base import Page
from querist.service.wire.checks import AgreementJob, ReviewJob
from querist.service.wire.jobs import AdditionJob, Failure, Job
from querist.service.wire.maps import MapJob
from querist.service.wire.suggestions import SuggestionJob


def _which(job: Any) -> str:
    kind = job.get("kind") if isinstance(job, Mapping) else job.kind
    return kind if kind in ("addition", "review", "agreement", "map", "suggestion") else "other"


AnyJob = Annotated[
    Annotated[AdditionJob, Tag("addition")]
    | Annotated[ReviewJob, Tag("review")]
    | Annotated[AgreementJob, Tag("agreement")]
    | Annotated[MapJob, Tag("map")]
    | Annotated[SuggestionJob, Tag("suggestion")]
    | Annotated[Job, Tag("other")],
    Discriminator(_which),
]
"""A job as its kind has it: an addition, a review and a comparison tell what they found."""


def jobs(pool: Ref = "", kind: str = "", state: str = "") -> Listing[Job]:
    """Jobs, the newest first; of a pool, of a kind, in a state."""

    def page(after: str | None) -> Flow[Page[Job]]:
        id_ = (yield from pool_id(pool)) if pool else ""
        found: Page[Job] = yield from pages(Job, "jobs", pool=id_, kind=kind, state=state)(after)
        return found

    return Listing(page)


def job(job: Ref) -> Flow[Job]:
    """One job as it stands; an addition with what it found."""
    found: Job = yield from get(AnyJob, "jobs", job_id(job))
    return found


def cancel(job: Ref) -> Flow[Job]:
    """End a job; what it found so far is kept."""
    found: Job = yield from post(Job, "jobs", job_id(job), "cancel")
    return found


def delete_job(job: Ref) -> Flow[None]:
    """Remove a finished job and its result."""
    yield from delete("jobs", job_id(job))


def failures(job: Ref) -> Listing[Failure]:
    """Items that a job could not use, and why."""
    return Listing(pages(Failure, "jobs", job_id(job), "failures"))


def events_path(job: Ref) -> str:
    """Where the events of a job are."""
    return path_of("jobs", job_id(job), "events")
