"""Rounds: scan, select, label, train, and again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from querist.service.wire.base import Ask, Count, Id, Instant, Options, Told
from querist.service.wire.queries import QueryCreate


class RoundCreate(Ask):
    """The next round of a pool: train on the labels there are, then query.

    Attributes:
        query: What to pick; its model is the one that is trained further.
        trainer: Settings of the trainer: {"use": "linear_head"}; empty trains nothing.
        after: The round that this one follows; None for the first.
    """

    query: QueryCreate
    trainer: Options = Field(default_factory=dict)
    after: Id | None = None


class Round(Told):
    """One round as it stands.

    Attributes:
        number: From 1.
        query: The query that picked its items.
        picked, labelled: Items to label, and those that are.
        model: The model that picked; ``trained`` is the one made of it and the labels.
        metrics: Of the training.
        drift: Of the pool against earlier rounds.
    """

    id: str
    number: Annotated[int, Field(ge=1)]
    pool: str
    query: str
    job: str | None = None
    state: str = ""
    picked: Count = 0
    labelled: Count = 0
    model: str | None = None
    trained: str | None = None
    metrics: Options = Field(default_factory=dict)
    drift: Options = Field(default_factory=dict)
    created: Instant
