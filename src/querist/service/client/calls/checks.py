"""Checks of a pool: labels that are probably wrong, and two ways to run a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.service.client.call import Flow, Listing, pages, post
from querist.service.client.calls.references import ModelRef, Ref, job_id, model_id, pool_id
from querist.service.wire.checks import (
    AgreementCreate,
    AgreementJob,
    LabelIssue,
    ReviewCreate,
    ReviewJob,
)


def start_review(pool: Ref, *, model: ModelRef = None, once: str = "") -> Flow[ReviewJob]:
    """Begin to look for labels that are probably wrong; ``issues`` lists them when it is done."""
    body = ReviewCreate(model=(yield from model_id(model)))
    id_ = yield from pool_id(pool)
    begun: ReviewJob = yield from post(ReviewJob, "pools", id_, "reviews", body=body, once=once)
    return begun


def issues(review: Ref) -> Listing[LabelIssue]:
    """Labels that a review found doubtful, the worst first."""
    return Listing(pages(LabelIssue, "reviews", job_id(review), "issues"))


def start_agreement(
    pool: Ref,
    *,
    model: ModelRef,
    other: Mapping[str, Any] | None = None,
    once: str = "",
    **said: Any,
) -> Flow[AgreementJob]:
    """Begin to measure how many picks stay the same when a model runs in another way.

    ``other`` is what differs, {"precision": "bf16"} by default; ``budget``, ``strategy`` and
    ``limit`` say what is picked of how many items. The job has the outcome when it is done.
    """
    asked = {**said, "model": (yield from model_id(model))}
    if other is not None:
        asked["other"] = dict(other)
    body = AgreementCreate.model_validate(asked)
    id_ = yield from pool_id(pool)
    begun: AgreementJob = yield from post(
        AgreementJob, "pools", id_, "agreements", body=body, once=once
    )
    return begun
