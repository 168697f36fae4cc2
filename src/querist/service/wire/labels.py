"""Labels: what people or other services said about items."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from querist.service.wire.base import MAX_BATCH, AnyJson, Ask, Count, Instant, ItemId, Name, Told


class LabelSet(Ask):
    """One statement about an item.

    Attributes:
        value: A class name, several of them, a number, boxes ...; [] means "reviewed, and there is
            nothing", which is not "unlabelled". For "skip" the reason.
        kind: "skip" says that it could not be labelled, "withdraw" takes back what was said,
            "decide" is a label that holds, whatever others say.
    """

    id: ItemId
    value: AnyJson = None
    kind: Literal["label", "skip", "withdraw", "decide"] = "label"


class LabelsPost(Ask):
    """Labels to record, all or none of each kind.

    Attributes:
        by: Who said so; the key's user when left out.
    """

    labels: Annotated[list[LabelSet], Field(min_length=1, max_length=MAX_BATCH)]
    by: Name | None = None


class LeaseAsk(Ask):
    """Items to label.

    Attributes:
        holder: Who holds them: a word that is this browser's tab's or program's own.
        number: How many, at most.
        which: "unlabelled" items, those for a "second" opinion (one person labelled them, and not
            ``by``), or "disputed" ones, to be decided.
        among: Ids to choose from, in order; all such items when left out.
        by: Who will label; the key's user when left out.
    """

    holder: Name
    number: Annotated[int, Field(ge=1, le=100)] = 10
    which: Literal["unlabelled", "second", "disputed"] = "unlabelled"
    among: Annotated[list[ItemId], Field(max_length=MAX_BATCH)] = Field(default_factory=list)
    by: Name | None = None


class Recorded(Told):
    """How many statements are now on disk; what is repeated is not counted."""

    labels: Count


class Imported(Told):
    """How many labels of a file are now on disk; what is repeated is not counted.

    Attributes:
        labels: How many.
        why_nothing: Where the file has rows and none could be used: the reason.
    """

    labels: Count
    why_nothing: str = ""


class Label(Told):
    """The label that holds for an item."""

    id: str
    value: AnyJson = None


class Statement(Told):
    """Something that was said of an item; nothing of it is ever changed."""

    at: Instant
    by: str
    kind: str
    value: AnyJson = None
