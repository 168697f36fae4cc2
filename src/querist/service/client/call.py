"""One request as a value, and flows of them: what sync and async clients share."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter, ValidationError

from querist.core.errors import ConfigError
from querist.service.client.errors import Unavailable
from querist.service.wire.base import Page
from querist.service.wire.problem import Problem

T = TypeVar("T")
Element = TypeVar("Element")


@dataclass(frozen=True)
class Reply:
    """An answer as it came: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request.

    Attributes:
        method: GET, POST, PATCH or DELETE.
        path: Below the service's URL, quoted.
        kind: What the answer is; None where it has no body.
        params: Of the URL.
        body: Sent as JSON.
        file: Sent as it is, in pieces, instead of a body.
        save: File that the body of the answer is written to, in pieces.
        once: Sent as Idempotency-Key, so that trying again never does it twice; POST only.
    """

    method: str
    path: str
    kind: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    body: BaseModel | None = None
    file: Path | None = None
    save: Path | None = None
    once: str = ""

    def content(self) -> bytes | None:
        """The JSON body; what is at its default is left out, so that older servers understand."""
        if self.body is None:
            return None
        return self.body.model_dump_json(exclude_defaults=True).encode()

    def headers(self) -> dict[str, str]:
        """Those that belong to this call."""
        said = {"Accept": "application/json, application/problem+json"}
        if self.body is not None:
            said["Content-Type"] = "application/json"
        if self.file is not None:
            said["Content-Type"] = "application/octet-stream"
            if self.file.is_file():  # so that too much is refused at once, and another file seen
                said["Content-Length"] = str(self.file.stat().st_size)
        if self.once:
            said["Idempotency-Key"] = self.once
        return said

    def parse(self, reply: Reply) -> T:
        """The answer's value.

        Raises:
            Unavailable: If it is not what the interface says; then this is no Querist service, or
                one of another version.
        """
        if self.save is not None:
            return self.save  # type: ignore[return-value]
        if self.kind is None:
            return None  # type: ignore[return-value]
        try:
            value: T = adapter(self.kind).validate_json(reply.body)
        except ValidationError as error:
            raise Unavailable(strange(self.path, reply)) from error
        return value


Flow: TypeAlias = Generator[Call[Any], Any, T]
"""Yields calls, is sent their values, returns a value. ``yield from`` puts flows together."""


@dataclass(frozen=True)
class Listing(Generic[Element]):
    """Many things, page by page.

    Attributes:
        page: From the ``after`` of a page to the flow that gets it.
    """

    page: Callable[[str | None], Flow[Page[Element]]]


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Pydantic's adapter of a type, made once."""
    return TypeAdapter(kind)


def path_of(*parts: str) -> str:
    """A path below ``/v1``: each part quoted, so that no id can lead elsewhere.

    Raises:
        ConfigError: If one is no text.
    """
    for part in parts:
        if not isinstance(part, str):
            raise ConfigError(f"An id or a name is one text, got {part!r:.80}.")
    return "/".join(("/v1", *(quote(part, safe="") for part in parts)))


def get(kind: Any, /, *parts: str, **params: Any) -> Flow[Any]:
    """A flow of one GET."""
    said = {name: str(value) for name, value in params.items() if value not in (None, "")}
    return (yield Call("GET", path_of(*parts), kind, said))


def post(kind: Any, *parts: str, body: BaseModel | None = None, once: str = "") -> Flow[Any]:
    """A flow of one POST, which is safe to try again."""
    return (yield Call("POST", path_of(*parts), kind, body=body, once=once or new_key()))


def delete(*parts: str) -> Flow[Any]:
    """A flow of one DELETE."""
    return (yield Call("DELETE", path_of(*parts)))


def pages(kind: Any, /, *parts: str, **params: Any) -> Callable[[str | None], Flow[Any]]:
    """The ``page`` of a listing whose path is known."""

    def page(after: str | None) -> Flow[Any]:
        return get(Page[kind], *parts, after=after, **params)

    return page


def new_key() -> str:
    """A new idempotency key."""
    return uuid.uuid4().hex


def problem_of(path: str, reply: Reply) -> Problem:
    """The problem document of an answer that is none of success."""
    try:
        return Problem.model_validate({"status": reply.status, **json.loads(reply.body)})
    except (ValueError, TypeError):
        return strange(path, reply)


def strange(path: str, reply: Reply) -> Problem:
    """The problem of an answer that a Querist service does not give."""
    kind = reply.headers.get("content-type", "nothing").partition(";")[0]
    location = reply.headers.get("location", "")
    told = f" to {location}" if location else f" with {kind}"
    detail = (
        f"The answer to {path} is none of a Querist service of this version (status "
        f"{reply.status}{told}). Is the URL right, and is there a proxy in between?"
    )
    return Problem(type="about:blank", title="Not understood", status=reply.status, detail=detail)
