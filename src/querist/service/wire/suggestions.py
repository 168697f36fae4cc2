"""Suggestions: what a model would say of items."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from querist.service.wire.base import Ask, Count, Id
from querist.service.wire.jobs import Job


class SuggestionCreate(Ask):
    """What a model would say of the unlabelled items of a pool.

    Attributes:
        model: Which.
        limit: Items, at most, in the order of the pool.
    """

    model: Id
    limit: Annotated[int, Field(ge=1, le=100_000)] = 10_000


class SuggestionJob(Job):
    """The job of suggestions: ``suggested`` is how many there are, None before it is done."""

    suggested: Count | None = None
