"""Webhooks: the server tells other servers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from querist.service.wire.base import Ask, Count, Instant, Told, Uri

EventName = Literal[
    "job.started", "job.done", "job.failed", "job.cancelled", "labels.added", "ping"
]

SIGNATURE_HEADER = "Querist-Signature"
"""``t=SECONDS,v1=HEX``: HMAC-SHA256, keyed by the secret, of the text ``SECONDS.BODY``."""


class WebhookCreate(Ask):
    """Whom to tell.

    Attributes:
        url: https, and a host that the administrator allows.
        events: Which; all when empty.
    """

    url: Uri
    events: Annotated[list[EventName], Field(max_length=20)] = Field(default_factory=list)


class Webhook(Told):
    """A target.

    Attributes:
        secret: Shown once, when it is made or rotated; "" afterwards.
    """

    id: str
    url: str
    events: list[str] = Field(default_factory=list)
    created: Instant
    secret: str = ""


class Delivery(Told):
    """One message to a target.

    Attributes:
        state: "waiting", "delivered", or "given-up" after the last try.
        status: HTTP status of the last try; None when there was none.
        error: Why the last try failed.
    """

    id: str
    webhook: str
    event: str
    state: Literal["waiting", "delivered", "given-up"]
    attempts: Count
    status: int | None = None
    error: str = ""
    created: Instant
    next_try: Instant | None = None
