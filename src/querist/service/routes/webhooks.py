"""Webhooks and what was sent to them."""

from __future__ import annotations

from querist.service.call import Call, Nothing
from querist.service.ids import new_secret
from querist.service.index.index import Row, count_alone, find, insert, newest_page, now, remove
from querist.service.problems import Refused
from querist.service.routes.paging import After, Limit, PathId, page_of
from querist.service.webhooks.outbox import post
from querist.service.webhooks.posting import NoSend, check_target
from querist.service.wire.base import Page
from querist.service.wire.webhooks import Delivery, Webhook, WebhookCreate

_MOST = 20


def create_webhook(call: Call, body: WebhookCreate) -> Webhook:
    """Tell a server of events. The secret that signs the messages is shown once."""
    try:
        check_target(body.url, call.service.settings.webhooks)
    except NoSend as error:
        raise Refused("invalid", str(error)) from None
    row: Row = {
        "id": call.new_id("whk"),
        "tenant": call.who.tenant,
        "url": body.url,
        "events": sorted(set(body.events)),
        "secret": new_secret(),
        "created": now(),
    }
    with call.service.index.write() as connection:
        found = find(connection, "webhooks", id=row["id"])
        if found is not None:
            return _told(found, found["secret"])
        if count_alone(connection, "webhooks", call.who.tenant) >= _MOST:
            raise Refused("quota-exceeded", f"A tenant may have {_MOST} webhooks.")
        insert(connection, "webhooks", row)
    return _told(row, row["secret"])


def list_webhooks(call: Call, limit: Limit = 100, after: After = "") -> Page[Webhook]:
    """Webhooks of your tenant, the newest first."""
    with call.service.index.read() as connection:
        where = {"tenant": call.who.tenant}
        rows = newest_page(connection, "webhooks", where, after, limit)
    return page_of(rows, _told)


def get_webhook(call: Call, webhook: PathId) -> Webhook:
    """One webhook, without its secret."""
    return _told(call.service.own(call.who, "webhooks", "webhook", webhook))


def remove_webhook(call: Call, webhook: PathId) -> Nothing:
    """Remove a webhook; what was not sent is not sent any more."""
    call.service.own(call.who, "webhooks", "webhook", webhook)
    with call.service.index.write() as connection:
        remove(connection, "deliveries", webhook=webhook)
        remove(connection, "webhooks", id=webhook)
    return Nothing()


def ping_webhook(call: Call, webhook: PathId) -> Delivery:
    """Send a test message."""
    call.service.own(call.who, "webhooks", "webhook", webhook)
    with call.service.index.write() as connection:
        row = post(connection, webhook, "ping", {"from": call.who.user})
    call.service.sender.poke()
    return Delivery.model_validate(row)


def list_deliveries(
    call: Call, webhook: PathId, limit: Limit = 100, after: After = ""
) -> Page[Delivery]:
    """Messages to a webhook, the newest first, and what came of them."""
    call.service.own(call.who, "webhooks", "webhook", webhook)
    with call.service.index.read() as connection:
        rows = newest_page(connection, "deliveries", {"webhook": webhook}, after, limit)
    return page_of(rows, Delivery.model_validate)


def _told(row: Row, secret: str = "") -> Webhook:
    return Webhook.model_validate({**row, "secret": secret})
