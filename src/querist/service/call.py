"""One request as the handlers see it, the routes as data, and the answers that are not JSON.

Handlers are plain functions, ``handler(call, body, parameters ...) -> wire type``. They run in a
thread, know nothing of FastAPI, and may block; ``web.py`` binds them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from querist.service.ids import new_id
from querist.service.people import Principal
from querist.service.problems import Refused
from querist.service.wire.access import Scope

if TYPE_CHECKING:
    from querist.service.service import Service


@dataclass(frozen=True, slots=True)
class Received:
    """A body that was written to a temporary file while it arrived.

    Attributes:
        path: The file; whoever keeps it renames it, otherwise it is removed after the request.
        size: Bytes.
        sha256: Of the content.
    """

    path: Path
    size: int
    sha256: str


@dataclass(slots=True)
class Call:
    """One request.

    Attributes:
        service: All that the handlers use.
        who: Who asks.
        request: Its id.
        last_event: The header Last-Event-ID.
        file: The body of an upload.
        made: Id for what this request creates; the same when the request is sent again with its
            idempotency key. "" gives a new one.
    """

    service: Service
    who: Principal
    request: str = ""
    last_event: str = ""
    file: Received | None = None
    made: str = ""

    def new_id(self, kind: str) -> str:
        """The id of what this request creates."""
        self.made = self.made or new_id(kind)
        return kind + self.made[3:]

    @property
    def upload(self) -> Received:
        """The body of an upload."""
        if self.file is None:
            raise Refused("bad-request", "A file is wanted as the body.")
        return self.file


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that is a file; removed when it was sent."""

    path: Path
    media_type: str
    name: str


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on: server-sent events, already encoded."""

    parts: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Plain:
    """An answer in a format of its own."""

    content: bytes
    media_type: str


class Content(Plain):
    """What an item looks like, or sounds like: a picture, a sound, or text."""


class Thumbnail(Plain):
    """A small picture of an item, or the first words of its text."""


class Nothing:
    """An answer without a body: 204."""


Body = Literal["json", "file", ""]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table of routes.

    Attributes:
        method, path: As in HTTP; parameters of the path in braces.
        handler: What answers.
        scope: What the key must have; None lets anybody in.
        answer: The wire type of the answer, or Download, Stream, Plain, Nothing.
        status: Of success.
        creates: Whether it takes an idempotency key.
        long: Whether it may take long, though it is a GET: it reads what is elsewhere, or looks
            through a whole pool or run.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    scope: Scope | None
    answer: Any
    status: int = 200
    creates: bool = False
    body: Body = field(default="")
    long: bool = False

    @property
    def name(self) -> str:
        """For the document of the interface, the log and the metrics."""
        return self.handler.__name__
