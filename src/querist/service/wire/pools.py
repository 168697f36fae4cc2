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
    Told,
    Uri,
)

Where = Literal["unlabelled", "labelled", "all", "broken"]
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
        task: What is labelled: "classification", "detection", ...
        classes: Names of the classes, in the order of the model's outputs.
        transform: How an item becomes an array: {"modality": "image", "size": 32}.
        sources: Options by URI scheme: {"s3": {"region": "eu-west-1", "anonymous": true}}.
        uris: Added at once, by a job: folders, globs, manifests, s3://, http(s)://, ...
    """

    name: Name
    task: Name = "classification"
    classes: Annotated[list[Name], Field(max_length=100_000)] = Field(default_factory=list)
    transform: Options = Field(default_factory=dict)
    sources: Options = Field(default_factory=dict)
    uris: Annotated[list[Uri], Field(max_length=MAX_BATCH)] = Field(default_factory=list)


class PoolCounts(Told):
    """How many items a pool has, by state."""

    items: Count = 0
    labelled: Count = 0
    unlabelled: Count = 0
    broken: Count = 0


class Pool(Told):
    """A pool as it stands.

    Attributes:
        addition: The job that adds the ``uris`` of its creation; None where there were none.
    """

    id: str
    name: str
    task: str
    classes: list[str]
    transform: Options = Field(default_factory=dict)
    counts: PoolCounts = PoolCounts()
    created: Instant
    addition: str | None = None


class Addition(Ask):
    """More for a pool: URIs of folders, globs, manifests and single items."""

    uris: Annotated[list[Uri], Field(min_length=1, max_length=MAX_BATCH)]


class Item(Told):
    """One item of a pool.

    Attributes:
        id: Stable; from its manifest, or a digest of the URI.
        uri: Where its bytes are.
        size: Bytes; None when unknown.
        content: Digest of the bytes, once they were read.
        state: "unlabelled", "labelled", "broken", ...
        metadata: From its manifest.
        label: The present label; None where there is none.
    """

    id: str
    uri: str
    size: int | None = None
    content: str = ""
    state: str = ""
    metadata: Options = Field(default_factory=dict)
    label: AnyJson = None


class Forgotten(Told):
    """What was erased: a tombstone with this id remains, and nothing else."""

    id: ItemId
    at: Instant
