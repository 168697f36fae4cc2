"""Suggestions of models for items of pools."""

from __future__ import annotations

from querist.service.client.call import Flow, post
from querist.service.client.calls.references import ModelRef, Ref, model_id, pool_id
from querist.service.wire.suggestions import SuggestionCreate, SuggestionJob


def start_suggestions(
    pool: Ref, model: ModelRef, *, limit: int = 10_000, once: str = ""
) -> Flow[SuggestionJob]:
    """Let a model suggest labels for unlabelled items; they come with items that are lent."""
    id_ = yield from pool_id(pool)
    asked = {"model": (yield from model_id(model)), "limit": limit}
    body = SuggestionCreate.model_validate(asked)
    made: SuggestionJob = yield from post(
        SuggestionJob, "pools", id_, "suggestions", body=body, once=once
    )
    return made
