"""Maps: the items of a pool in the plane."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from querist.service.wire.base import AnyJson, Ask, Count, Id, Told
from querist.service.wire.jobs import Job

Method = Literal["pca", "umap"]


class MapCreate(Ask):
    """A map of a pool.

    Attributes:
        model: Whose embeddings are drawn; None for built-in features.
        method: "pca", the two directions of most variance, or "umap", where the server has it.
        limit: Items, at most; of a larger pool labelled ones and then a random part.
        queries: Whose picks are on it in any case, as far as ``limit`` allows.
    """

    model: Id | None = None
    method: Method = "pca"
    limit: Annotated[int, Field(ge=2, le=20_000)] = 10_000
    queries: Annotated[list[Id], Field(max_length=10)] = Field(default_factory=list)


class MapMade(Told):
    """What a map shows.

    Attributes:
        points: Items that are on it.
        left_out: Items that cannot be read, or of which the model gives nothing.
        shares: Of the variance, along both axes; zeros where the method has none.
    """

    points: Count
    left_out: Count = 0
    shares: tuple[float, float] = (0.0, 0.0)


class MapJob(Job):
    """The job of a map, with what was asked and, when it is done, what it shows."""

    asked: MapCreate
    made: MapMade | None = None


class MapPoints(Told):
    """Where the items of a map lie: lists of one length, in the order of the pool.

    Attributes:
        ids: Of the items; those that were forgotten are left out.
        x, y: Where they lie, without a unit.
        states: As in the counts of the pool, as they are now.
        labels: The labels that hold now.
    """

    ids: list[str]
    x: list[float]
    y: list[float]
    states: list[str]
    labels: list[AnyJson]
