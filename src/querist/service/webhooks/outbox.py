"""Messages that are to be sent: written in the transaction of what they tell of."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping
from typing import Any

from querist.service.ids import new_id
from querist.service.index.index import Connection, Row, change, insert, now
from querist.service.index.sql import sa
from querist.service.index.tables import tables

_LONGEST_PAUSE_S = 3600.0
_CLAIM_S = 120.0  # longer than a try may take: a sender that died loses its claim


def enqueue(connection: Connection, tenant: str, event: str, data: Mapping[str, Any]) -> int:
    """A message to each webhook of the tenant that wants this event; how many."""
    hooks = tables().webhooks
    found = connection.execute(sa().select(hooks).where(hooks.c.tenant == tenant)).mappings().all()
    wanted = [hook for hook in found if not hook["events"] or event in hook["events"]]
    for hook in wanted:
        post(connection, hook["id"], event, data)
    return len(wanted)


def post(connection: Connection, webhook: str, event: str, data: Mapping[str, Any]) -> Row:
    """A message to one webhook."""
    row: Row = {
        "id": new_id("dlv"),
        "webhook": webhook,
        "event": event,
        "state": "waiting",
        "attempts": 0,
        "status": None,
        "error": "",
        "created": now(),
        "next_try": now(),
    }
    said = {"id": row["id"], "event": event, "at": row["created"], "data": dict(data)}
    row["body"] = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    insert(connection, "deliveries", row)
    return row


def claim(connection: Connection, limit: int = 20, without: Collection[str] = ()) -> list[Row]:
    """Messages whose time has come, with their webhook's URL, secret and tenant, for one sender.

    A claim ends by itself, so a message whose sender dies is sent again: at least once. Those of
    the tenants ``without`` wait.
    """
    deliveries, hooks = tables().deliveries, tables().webhooks
    due = (deliveries.c.state == "waiting") & (deliveries.c.next_try <= now())
    due &= hooks.c.tenant.not_in(sorted(without))
    joined = deliveries.join(hooks, hooks.c.id == deliveries.c.webhook)
    query = (
        sa()
        .select(deliveries, hooks.c.url, hooks.c.secret, hooks.c.tenant)
        .select_from(joined)
        .where(due)
        .order_by(deliveries.c.next_try)
        .limit(limit)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    for row in found:
        change(connection, "deliveries", {"id": row["id"]}, next_try=now() + _CLAIM_S)
    return found


def forget_old(connection: Connection, days: float) -> int:
    """Forget messages that were sent or given up and are older than so many days; how many."""
    deliveries = tables().deliveries
    over = deliveries.c.state != "waiting"
    old = sa().delete(deliveries).where(over, deliveries.c.created < now() - 86_400 * days)
    return int(connection.execute(old).rowcount)


def settle(connection: Connection, row: Row, status: int | None, error: str, attempts: int) -> str:
    """Record what came of a try; the state of the message then."""
    tried = row["attempts"] + 1
    done = status is not None and 200 <= status < 300
    state = "delivered" if done else ("given-up" if tried >= attempts else "waiting")
    pause = row["pause"] * 2 ** (tried - 1)
    # Spread, so that a target that comes back is not met by everything at once.
    pause = min(_LONGEST_PAUSE_S, pause) * (0.5 + random.random())
    change(
        connection,
        "deliveries",
        {"id": row["id"]},
        state=state,
        attempts=tried,
        status=status,
        error="" if done else error[:500],
        next_try=now() + pause if state == "waiting" else None,
    )
    return state
