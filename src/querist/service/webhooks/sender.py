"""The thread that empties the outbox."""

from __future__ import annotations

import logging
import threading
import time

from querist.service.index.index import Index, Row
from querist.service.index.sql import database_errors
from querist.service.settings import WebhookSettings
from querist.service.webhooks.outbox import claim, settle
from querist.service.webhooks.posting import NoSend, post
from querist.service.webhooks.signing import sign
from querist.service.wire.webhooks import SIGNATURE_HEADER

_LOG = logging.getLogger("querist.service.webhooks")
_EVERY_S = 1.0


class Sender:
    """Sends what is due, until it is stopped.

    Args:
        index: Where the outbox is.
        settings: Whom it may tell, and how often it tries.
    """

    def __init__(self, index: Index, settings: WebhookSettings) -> None:
        self._index, self._settings = index, settings
        self._wake, self._stopped = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="querist-webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the message that is being sent."""
        self._stopped = True
        self._wake.set()
        self._thread.join(self._settings.seconds + 5)

    def poke(self) -> None:
        """Something new is in the outbox."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(_EVERY_S)
            self._wake.clear()
            try:
                self.send_due()
            except database_errors() as error:
                _LOG.error("outbox failed", extra={"error": type(error).__name__})

    def send_due(self) -> int:
        """Send all messages whose time has come; how many."""
        with self._index.write() as connection:
            due = claim(connection)
        for row in due:
            if self._stopped:
                break
            self._send(row)
        return len(due)

    def _send(self, row: Row) -> None:
        body, at = row["body"].encode(), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "querist",
            "Querist-Event": row["event"],
            "Querist-Delivery": row["id"],
            SIGNATURE_HEADER: sign(row["secret"], body, at),
        }
        status, error = None, ""
        try:
            status = post(row["url"], body, headers, self._settings)
            error = f"The answer was {status}."
        except NoSend as why:
            error = str(why)
        row["pause"] = self._settings.first_pause
        with self._index.write() as connection:
            state = settle(connection, row, status, error, self._settings.attempts)
        _LOG.info("delivery", extra={"delivery": row["id"], "state": state, "status": status})
