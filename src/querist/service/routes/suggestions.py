"""Suggestions of models for items of a pool."""

from __future__ import annotations

from querist.service.call import Call
from querist.service.routes.checks import begun
from querist.service.routes.paging import PathId
from querist.service.routes.queries import library_model
from querist.service.wire.suggestions import SuggestionCreate, SuggestionJob


def suggest_labels(call: Call, pool: PathId, body: SuggestionCreate) -> SuggestionJob:
    """Let a model suggest labels for unlabelled items: a job.

    They take the place of earlier ones, and come with items that are lent to be labelled.
    """
    call.service.own(call.who, "pools", "pool", pool)
    asked = {"model": library_model(call, body.model), "limit": body.limit, "version": body.model}
    found = begun(call, pool, "suggestion", asked)
    assert isinstance(found, SuggestionJob)
    return found
