"""Rounds: train on the labels there are, then query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from querist.service.client.call import Flow, Listing, get, pages, post
from querist.service.client.calls.queries import QueryOptions, _asked
from querist.service.client.calls.references import Ref, id_of, pool_id
from querist.service.wire.base import Page
from querist.service.wire.jobs import Job
from querist.service.wire.rounds import Drift, Round, RoundCreate


def rounds(pool: Ref) -> Listing[Round]:
    """The rounds of a pool."""

    def page(after: str | None) -> Flow[Page[Round]]:
        id_ = yield from pool_id(pool)
        found: Page[Round] = yield from pages(Round, "pools", id_, "rounds")(after)
        return found

    return Listing(page)


def round(round: Ref) -> Flow[Round]:
    """One round as it stands."""
    found: Round = yield from get(Round, "rounds", id_of(round))
    return found


def ask_again(round: Ref) -> Flow[Job]:
    """Have the oracle of a round that is done label what it left: a job."""
    found: Job = yield from post(Job, "rounds", id_of(round), "answers")
    return found


def drift(pool: Ref, *, before: str = "", after: str = "") -> Flow[Drift]:
    """Whether what a query saw differs from what an earlier one did; by default the last, first."""
    id_ = yield from pool_id(pool)
    found: Drift = yield from get(Drift, "pools", id_, "drift", before=before, after=after)
    return found


def start_round(
    pool: Ref,
    *,
    trainer: Mapping[str, Any] | None = None,
    after: Ref | None = None,
    holdout: Ref | None = None,
    oracle: Mapping[str, str] | None = None,
    **said: Unpack[QueryOptions],
) -> Flow[Round]:
    """Begin the next round: what to pick, and the trainer (none trains nothing).

    ``holdout`` is a query whose picks judge what is trained, and are not learned from; ``oracle``
    labels what is picked: {"use": "file", "labels": URI} or {"use": "service", "labels": URL}.
    """
    query = yield from _asked(said)
    body = RoundCreate(
        query=query,
        trainer=dict(trainer or {}),
        after=None if after is None else id_of(after),
        holdout=None if holdout is None else id_of(holdout),
        oracle=dict(oracle or {}),
    )
    id_ = yield from pool_id(pool)
    begun: Round = yield from post(Round, "pools", id_, "rounds", body=body)
    return begun
