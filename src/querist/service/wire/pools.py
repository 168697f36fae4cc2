"""Pools and their items."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from querist.service.wire.base import (
    MAX_BATCH,
    AnyJson,
    Ask,
    Count,
    Instant,
    ItemId,
    Name,
    Options,
    Settings,
    Told,
    Uri,
)

Task = Literal["classification", "multi-label", "detection", "tokens", "regression", "free"]
Role = Literal["id", "uri", "text", "table", "group", "label", "state", "by", "said", "metadata"]
MAX_ERASED = 1_000
"""Items that one request erases: the index and exports are written anew once for all of them."""
Columns = Annotated[dict[Role, Name], Field(max_length=10)]
ManifestFormat = Literal[
    "csv",
    "jsonl",
    "parquet",
    "label_studio",
    "coco",
    "yolo",
    "conll",
    "huggingface",
    "ground_truth",
]


class PoolCreate(Ask):
    """A new pool.

    Attributes:
        name: Unique within the tenant.
        task: What a label is.
        classes: Names of the classes, in the order of the model's outputs; None learns them from
            the labels.
        transform: How an item becomes an array: {"modality": "image", "size": 32}.
        sources: Options by URI scheme: {"s3": {"region": "eu-west-1", "anonymous": true}}.
        agreement: Which label holds where annotators differ.
        uris: Added at once, by a job: folders, globs, manifests, s3://, http(s)://, ...
        columns: Of these manifests; see Addition.
    """

    name: Name
    task: Task = "classification"
    classes: Annotated[list[Name], Field(max_length=100_000)] | None = None
    transform: Settings = Field(default_factory=dict)
    sources: Settings = Field(default_factory=dict)
    agreement: Literal["latest", "majority"] = "latest"
    uris: Annotated[list[Uri], Field(max_length=MAX_BATCH)] = Field(default_factory=list)
    columns: Columns = Field(default_factory=dict)


class Pool(Told):
    """A pool as it stands.

    Attributes:
        classes: Those of its creation; of one pool also those that were learned from labels.
        learns_classes: Whether labels may bring new classes.
        items: How many there are.
        states: How many of them are unlabelled, labelled, empty (reviewed, nothing found), skipped,
            disputed, duplicate; {} in lists.
        addition: The job that adds the ``uris`` of its creation; None where there were none.
    """

    id: str
    name: str
    task: str
    classes: list[str] | None = None
    learns_classes: bool = False
    transform: Options = Field(default_factory=dict)
    items: Count = 0
    states: dict[str, int] = Field(default_factory=dict)
    created: Instant
    addition: str | None = None


class Addition(Ask):
    """More for a pool.

    Attributes:
        uris: Of folders, prefixes, globs, manifests and single items.
        only_new: List only what comes after the last item of the last listing.
        columns: Role -> column, of CSV, JSON Lines and Parquet whose names are not the usual ones:
            {"text": "review", "label": "category"}.
    """

    only_new: bool = False
    columns: Columns = Field(default_factory=dict)
    uris: Annotated[list[Uri], Field(min_length=1, max_length=MAX_BATCH)]


class Item(Told):
    """One item of a pool.

    Attributes:
        id: Stable; from its manifest, or a digest of the URI.
        uri: Where its bytes are.
        size: Bytes; None when unknown.
        content: Digest of the bytes, once they were read.
        state: As in the counts of its pool.
        metadata: From its manifest.
        inline: A text or a row of a table that is the item itself.
        label: The label that holds; [] where reviewed and empty, None where there is none.
        stale: Whether the item changed after it was labelled.
        suggestion: What a model would say of it, where it is lent to be labelled.
        suggestion_score: How sure the model is, 0 to 1.
    """

    id: str
    uri: str = ""
    size: int | None = None
    content: str = ""
    state: str = ""
    metadata: Options = Field(default_factory=dict)
    inline: AnyJson = None
    group: str = ""
    label: AnyJson = None
    stale: bool = False
    suggestion: AnyJson = None
    suggestion_score: float | None = None


class Erasure(Ask):
    """Items to be forgotten, all or, where one is unknown, none."""

    items: Annotated[list[ItemId], Field(min_length=1, max_length=MAX_ERASED)]


class Forgotten(Told):
    """What was erased: tombstones with these ids remain.

    Attributes:
        left: What could not be erased now, and why; erase the same ids again when that is over.
    """

    ids: list[ItemId]
    at: Instant
    left: list[str] = Field(default_factory=list)
