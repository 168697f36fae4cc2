"""Queries: which items to label next."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from querist.service.wire.base import MAX_COUNT, AnyJson, Ask, Count, Id, Name, Options, Told
from querist.service.wire.jobs import Job


def _a_number(value: Any) -> Any:
    """Whatever is neither a number of items nor a share is told once, not by each of the two."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (0 < value < 1 or (1 <= value <= MAX_COUNT and value == int(value))):
        raise ValueError(
            "should be a number of items from 1 on, or a share of the pool such as 0.25"
        )
    return value


Items = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Budget = Annotated[Items | Share, BeforeValidator(_a_number)]


Where = Annotated[str, Field(max_length=32)] | Options


class Scan(Ask):
    """How the pool is read; None leaves it to the server, whose limits hold in any case.

    Attributes:
        batch: Items a batch; adaptive when None.
        readers: Threads that read.
        memory_mb: Bound of what is held between the stages.
        retries: Tries of an item beyond the first.
        abort_share: The query fails when more than this share of the items is broken.
    """

    batch: Annotated[int, Field(ge=1, le=65_536)] | None = None
    readers: Annotated[int, Field(ge=1, le=1024)] | None = None
    memory_mb: Annotated[int, Field(ge=16, le=1_048_576)] | None = None
    retries: Annotated[int, Field(ge=0, le=20)] | None = None
    abort_share: Annotated[float, Field(ge=0, le=1)] | None = None


class QueryCreate(Ask):
    """A query of a pool.

    Attributes:
        model: The id of a registered model; None for strategies that need none.
        strategy: Its name, see ``/v1/strategies``; None for the one that fits the model.
        options: Of the strategy.
        budget: Items to pick: a whole number, or a share of the candidates below 1.
        seed: Two queries with one seed pick the same.
        where: Which items are candidates: a word such as "unlabelled" or "all", or a filter such as
            {"metadata": {"city": "Rome"}}.
        workers: Processes that share the query; the server's limit holds.
        scan: How the pool is read.
        note: For people.
    """

    model: Id | None = None
    strategy: Name | None = None
    options: Options = Field(default_factory=dict)
    budget: Budget
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    where: Where = "unlabelled"
    workers: Annotated[int, Field(ge=1, le=1024)] = 1
    scan: Scan = Scan()
    note: Annotated[str, Field(max_length=1000)] = ""


class QueryCounts(Told):
    """What came of a query's candidates."""

    candidates: Count = 0
    scanned: Count = 0
    failed: Count = 0
    picked: Count = 0


class Query(Job):
    """A query: a job with what was asked and, when it is done, how many items were picked."""

    asked: QueryCreate
    counts: QueryCounts = QueryCounts()
    digest: str = ""


class Pick(Told):
    """One item to label.

    Attributes:
        rank: From 0, the most useful first.
        score: The strategy's; None where it has none for single items.
        why: The reason, for a person.
    """

    rank: Count
    id: str
    uri: str
    score: float | None = None
    why: str = ""


class Estimate(Told):
    """What a query will cost, without running it.

    Attributes:
        items: Candidates that will be looked at.
        requests: To the sources.
        bytes: To be read; None where sizes are unknown.
        seconds: From measured rates; None before anything was measured.
        labels: How many a person will be asked for.
        notes: What the estimate rests on.
    """

    items: Count
    requests: Count
    bytes: Count | None = None
    seconds: float | None = None
    labels: Count
    notes: list[str] = Field(default_factory=list)
    details: AnyJson = None
