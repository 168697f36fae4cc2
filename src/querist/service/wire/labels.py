"""Labels: what people or other services said about items."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from querist.service.wire.base import MAX_BATCH, AnyJson, Ask, Count, Instant, ItemId, Name, Told


class LabelSet(Ask):
    """One label to record.

    Attributes:
        value: A class name, several of them, a number, boxes ...; an empty list with ``reviewed``
            means "looked at, and there is nothing", which is not "unlabelled".
    """

    id: ItemId
    value: AnyJson
    reviewed: bool = True


class LabelsPost(Ask):
    """Labels to record, all or none.

    Attributes:
        by: Who said so; the key's user when left out.
    """

    labels: Annotated[list[LabelSet], Field(min_length=1, max_length=MAX_BATCH)]
    by: Name | None = None


class Recorded(Told):
    """How many labels are now on disk."""

    labels: Count


class Label(Told):
    """The present label of an item."""

    id: str
    value: AnyJson = None
    by: str = ""
    at: Instant | None = None
    reviewed: bool = True


class LabelIssue(Told):
    """A label that is probably wrong.

    Attributes:
        score: Between 0 (surely wrong) and 1.
        suggestion: What the model would say.
    """

    id: str
    uri: str = ""
    value: AnyJson = None
    suggestion: AnyJson = None
    score: float
