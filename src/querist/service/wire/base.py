"""The two bases of everything on the wire, pages, and the limits that hold for all of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MAX_PAGE = 1000
MAX_BATCH = 10_000
MAX_URI = 4096
MAX_OPTIONS = 1 << 20
MAX_COUNT = 2**53 - 1  # the largest whole number that every JSON reader keeps

# No control characters (a name ends up in headers, logs and terminals), and none of the
# invisible marks that turn the direction of text around.
PRINTABLE = "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]+$"

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
Note = Annotated[str, StringConstraints(max_length=4000)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=MAX_URI, pattern=PRINTABLE)]
ItemId = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=PRINTABLE)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Id = Annotated[str, StringConstraints(pattern="^[a-z]{3}_[a-z2-7]{20}$")]


def _bounded(value: Any) -> Any:
    """Free JSON from a stranger, with a limit on its depth."""
    level: list[Any] = [value]
    for _ in range(20):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return value
    raise ValueError("should be nested at most 20 levels deep")


def _small(value: Any) -> Any:
    """The same for what the index keeps and every page and message repeats."""
    if len(json.dumps(_bounded(value), default=str)) > MAX_OPTIONS:
        raise ValueError(f"should be at most {MAX_OPTIONS} characters of JSON")
    return value


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


Settings = Annotated[dict[str, Any], BeforeValidator(_small), Field(max_length=200)]
Options = Annotated[dict[str, Any], BeforeValidator(_bounded), Field(max_length=200)]
AnyJson = Annotated[Any, BeforeValidator(_bounded)]


class Ask(BaseModel):
    """What a client sends: unknown keys are errors, values are frozen, NaN is not a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Told(BaseModel):
    """What the server answers: keys that a client does not know are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Element = TypeVar("Element")


class Page(Told, Generic[Element]):
    """Some of many, in a stable order.

    Attributes:
        items: Those of this page.
        next: What to pass as ``after`` for the next page; None on the last one.
    """

    items: list[Element]
    next: str | None = None


Instant = datetime
"""A point in time; always with its offset, UTC from the server."""
