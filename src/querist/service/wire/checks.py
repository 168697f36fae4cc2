"""Checks of a pool: labels that are probably wrong, and whether two ways to run a model agree."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from querist.service.wire.base import AnyJson, Ask, Count, Id, Name, Settings, Told
from querist.service.wire.jobs import Job
from querist.service.wire.queries import Budget


class ReviewCreate(Ask):
    """A review of a pool's labels.

    Attributes:
        model: Whose features a linear head learns on, by cross-validation; None for built-in ones.
    """

    model: Id | None = None


class ReviewJob(Job):
    """The job of a review: ``issues`` is how many labels look wrong, None before it is done."""

    issues: Count | None = None


class LabelIssue(Told):
    """A label that is probably wrong.

    Attributes:
        item: The item's URI, or what stands inline.
        given: Its label.
        suggested: The class that the model finds likelier.
        quality: The probability of the given label; the lowest come first.
    """

    id: str
    item: AnyJson = None
    given: str
    suggested: str
    quality: float


class AgreementCreate(Ask):
    """Two ways to run a model, to be compared by what a strategy picks.

    Attributes:
        model: The reference.
        other: What differs: {"precision": "bf16"}, {"backend": "openvino"}, {"weights": ...}.
        budget: Items to pick: a whole number, or a share of the items below 1.
        strategy: Its name; None for the one that fits the model.
        limit: Items that are drawn at random where the pool has more.
    """

    model: Id
    other: Settings = Field(default_factory=lambda: {"precision": "bf16"})
    budget: Budget = 0.1
    strategy: Name | None = None
    limit: Annotated[int, Field(ge=1, le=20_000)] = 2000


class Agreement(Told):
    """What two ways to run a model have in common.

    Attributes:
        share: Of the picks of the reference, how many the other way picks too, from 0 to 1.
        picks: How many each picks.
        rows: How many items both were run on.
        differences: Largest absolute difference of each output.
        seconds: What each took, compilation included.
    """

    share: float
    picks: Count
    rows: Count
    differences: dict[str, float]
    seconds: tuple[float, float]


class AgreementJob(Job):
    """The job of a comparison, with its outcome when it is done."""

    agreement: Agreement | None = None
