"""Rounds: scan, select, label, train, and again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from querist.service.wire.base import Ask, Count, Id, Instant, Options, Settings, Told
from querist.service.wire.queries import QueryCreate


class RoundCreate(Ask):
    """The next round of a pool: train on the labels there are, then query.

    Attributes:
        query: What to pick; its model is the one that is trained further.
        trainer: {"use": "linear_head"} learns on the features of the model (built-in ones where
            none is named), {"use": "fine_tune"} trains a torch module; with their options. Empty
            trains nothing. Where there is nothing to learn yet, the strategy is the one that fits.
        after: The round that this one follows; None for the first.
        holdout: A query of this pool whose picks judge what is trained and are never learned from,
            such as one with the strategy "random".
        oracle: Who labels what is picked: people, later, where it is empty; {"use": "file",
            "labels": URI} takes the labels that a manifest has; {"use": "service", "labels": URL}
            posts the items to a service that answers {"labels": {id: label}}.
    """

    query: QueryCreate
    trainer: Settings = Field(default_factory=dict)
    after: Id | None = None
    holdout: Id | None = None
    oracle: Settings = Field(default_factory=dict)


class Round(Told):
    """One round as it stands.

    Attributes:
        number: From 1.
        query: The query that picked its items; ``job``, which also trained, has the same id.
        error: Why it failed.
        picked, labelled: Items to label, and those that are labelled or skipped.
        model: The model that picked; ``trained`` is the one made of it and the labels.
        metrics: Of the training; "labels" is how many it learned from, "holdout.accuracy" and the
            like are judged on the hold-out.
        drift: Of the pool against earlier rounds.
        holdout: The query whose picks were set aside.
        waiting: Why the oracle labelled less than was picked; "" where it labelled all, or none was
            asked.
    """

    id: str
    number: Annotated[int, Field(ge=1)]
    pool: str
    query: str
    job: str | None = None
    state: str = ""
    error: str = ""
    picked: Count = 0
    labelled: Count = 0
    model: str | None = None
    trained: str | None = None
    metrics: Options = Field(default_factory=dict)
    drift: Options = Field(default_factory=dict)
    holdout: str | None = None
    waiting: str = ""
    created: Instant


class Drift(Told):
    """Whether what one query saw differs from what an earlier one did: a two-sample test.

    Attributes:
        method: "mmd" of embeddings, or "kolmogorov-smirnov" of scores.
        statistic: Grows with the difference.
        p_value: How often chance alone gives as much.
        before, after: How many items of each were compared.
    """

    method: str
    statistic: float
    p_value: float
    before: Count
    after: Count
