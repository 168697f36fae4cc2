"""Checks of a pool: a review of its labels, and whether two ways to run a model pick the same."""

from __future__ import annotations

from typing import Any

from querist.service.call import Call
from querist.service.checks import issues_of
from querist.service.index.index import Row, find
from querist.service.jobs.records import new_job, told
from querist.service.models import opened_by
from querist.service.problems import Refused, missing
from querist.service.routes.paging import After, Limit, PathId, number_of
from querist.service.routes.queries import library_model, registered_model
from querist.service.wire.base import Page
from querist.service.wire.checks import (
    AgreementCreate,
    AgreementJob,
    LabelIssue,
    ReviewCreate,
    ReviewJob,
)
from querist.service.wire.jobs import JobState


def review_labels(call: Call, pool: PathId, body: ReviewCreate) -> ReviewJob:
    """Look for labels that are probably wrong: a job.

    Each label is judged by a linear head that has learned from the others, by cross-validation.
    """
    call.service.own(call.who, "pools", "pool", pool)
    found = begun(call, pool, "review", {"model": library_model(call, body.model)})
    assert isinstance(found, ReviewJob)
    return found


def list_issues(
    call: Call, review: PathId, limit: Limit = 100, after: After = ""
) -> Page[LabelIssue]:
    """Labels that a review found doubtful, the worst first.

    A page may have fewer than ``limit``: labels that were changed since are left out.
    """
    row = call.service.own(call.who, "jobs", "review", review)
    if row["kind"] != "review":
        raise missing("review", review)
    if row["state"] != JobState.DONE:
        raise Refused("conflict", f"The review is {row['state']}; it has issues when it is done.")
    folder = call.service.workspace.job(row["tenant"], row["id"])
    with call.service.opened(call.who, row["pool"]) as pool:
        return issues_of(pool, folder, number_of(after), limit)


def compare_models(call: Call, pool: PathId, body: AgreementCreate) -> AgreementJob:
    """Measure how many picks stay the same when a model runs in another way: a job.

    Another way is its settings with some changed, which are checked like those of a new model.
    """
    from querist.pool.agreeing import wanted_of

    call.service.own(call.who, "pools", "pool", pool)
    model, registered = library_model(call, body.model), registered_model(call, body.model)
    other = opened_by(call.service, call.who, {**(registered or {}), **body.other})
    wanted_of(body.strategy, model or {})
    asked = body.model_dump(mode="json", include={"budget", "strategy", "limit"})
    found = begun(call, pool, "agreement", {**asked, "model": model, "other": other})
    assert isinstance(found, AgreementJob)
    return found


def begun(call: Call, pool: str, kind: str, asked: dict[str, Any]) -> Any:
    """The job that was recorded, now or by the same request before."""
    made: Row = {
        "id": call.new_id("job"),
        "tenant": call.who.tenant,
        "pool": pool,
        "kind": kind,
        "folder": "",
        "asked": asked,
    }
    with call.service.index.write() as connection:
        row = find(connection, "jobs", id=made["id"])
        if row is None:
            call.service.check_jobs(connection, call.who)
            row = new_job(connection, made)
    call.service.runner.poke()
    return told(row)
