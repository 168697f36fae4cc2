"""Errors: problem documents as in RFC 9457, without anything of the server's inside."""

from __future__ import annotations

from pydantic import Field

from querist.service.wire.base import Told

MEDIA_TYPE = "application/problem+json"


class Fault(Told):
    """One thing that is wrong with a request.

    Attributes:
        pointer: Where: a JSON pointer into the body ("/budget"), or the name of a parameter.
        detail: What is wrong, and what to do.
    """

    pointer: str
    detail: str


class Problem(Told):
    """Why a request was not done.

    Attributes:
        type: A stable word for programs, as a URI reference: "/problems/quota-exceeded".
        title: The same for people.
        status: The HTTP status.
        detail: What was wanted, what was got, what to do.
        instance: The request's id, as in the server's access log and the header X-Request-Id.
        errors: Each fault, where there are several.
        retry_after: Seconds after which it may work, where waiting helps.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    errors: list[Fault] = Field(default_factory=list)
    retry_after: float | None = None
