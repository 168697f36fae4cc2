"""The thread that empties the outbox."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from querist.service.index.index import Index, Row
from querist.service.settings import WebhookSettings
from querist.service.webhooks.outbox import claim, settle
from querist.service.webhooks.posting import NoSend, post
from querist.service.webhooks.signing import sign
from querist.service.wire.webhooks import SIGNATURE_HEADER

_LOG = logging.getLogger("querist.service.webhooks")
_EVERY_S = 1.0
_AT_ONCE, _OF_ONE = 16, 4  # messages that are being sent; those of one tenant


class Sender:
    """Sends what is due, until it is stopped; slow targets of one tenant keep nobody waiting.

    Args:
        index: Where the outbox is.
        settings: Whom it may tell, and how often it tries.
    """

    def __init__(self, index: Index, settings: WebhookSettings) -> None:
        self._index, self._settings = index, settings
        self._wake, self._stopped = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="querist-webhooks", daemon=True)
        self._workers = ThreadPoolExecutor(_AT_ONCE, "querist-webhook")
        self._lock, self._sending = threading.Lock(), Counter[str]()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the messages that are being sent."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(self._settings.seconds + 5)
        self._workers.shutdown()

    def poke(self) -> None:
        """Something new is in the outbox."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(_EVERY_S)
            self._wake.clear()
            try:
                self._begin_due()
            except Exception as error:  # noqa: BLE001 - without this thread nothing is sent any more
                _LOG.error("outbox failed", exc_info=error)

    def _begin_due(self) -> None:
        """Give messages whose time has come to threads, as many as are free."""
        while not self._stopped:
            with self._lock:
                busy = [one for one, number in self._sending.items() if number >= _OF_ONE]
                free = self._sending.total() < _AT_ONCE
            if not free:
                return
            with self._index.write() as connection:
                due = claim(connection, 1, busy)
            if not due:
                return
            with self._lock:
                self._sending[due[0]["tenant"]] += 1
            self._workers.submit(self._sent, due[0])

    def _sent(self, row: Row) -> None:
        try:
            self._send(row)
        except Exception as error:  # noqa: BLE001 - the claim lapses, and it is sent again
            _LOG.error("delivery failed", exc_info=error, extra={"delivery": row["id"]})
        finally:
            with self._lock:
                self._sending[row["tenant"]] -= 1
            self.poke()

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
