"""Webhooks."""

from __future__ import annotations

from collections.abc import Iterable

from querist.service.client.call import Flow, Listing, delete, get, pages, post
from querist.service.client.calls.references import Ref, id_of
from querist.service.wire.webhooks import Delivery, Webhook, WebhookCreate


def webhooks() -> Listing[Webhook]:
    """All webhooks."""
    return Listing(pages(Webhook, "webhooks"))


def webhook(webhook: Ref) -> Flow[Webhook]:
    """One webhook."""
    found: Webhook = yield from get(Webhook, "webhooks", id_of(webhook))
    return found


def create_webhook(url: str, events: Iterable[str] = ()) -> Flow[Webhook]:
    """Have the service tell a URL of events (all, when none is named); shows the secret once."""
    body = WebhookCreate.model_validate({"url": url, "events": list(events)})
    made: Webhook = yield from post(Webhook, "webhooks", body=body)
    return made


def delete_webhook(webhook: Ref) -> Flow[None]:
    """Remove a webhook."""
    yield from delete("webhooks", id_of(webhook))


def ping(webhook: Ref) -> Flow[Delivery]:
    """Send a test message."""
    sent: Delivery = yield from post(Delivery, "webhooks", id_of(webhook), "ping")
    return sent


def deliveries(webhook: Ref) -> Listing[Delivery]:
    """What was sent, and what came of it."""
    return Listing(pages(Delivery, "webhooks", id_of(webhook), "deliveries"))
