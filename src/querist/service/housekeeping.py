"""What is removed by itself: at the start of a server, and every few hours."""

from __future__ import annotations

import logging
import threading

from querist.service import idempotency, leases
from querist.service.index.index import Index
from querist.service.jobs.removal import erase_old
from querist.service.settings import ServiceSettings
from querist.service.webhooks import outbox
from querist.service.workspace import Workspace

_LOG = logging.getLogger("querist.service.housekeeping")
_EVERY_S = 6 * 3600.0
DELIVERIES_DAYS = 30.0


class Housekeeping:
    """A thread that tidies up until it is stopped.

    Args:
        index: Whose old rows go.
        workspace: Whose temporary files go.
        settings: How long finished jobs are kept.
    """

    def __init__(self, index: Index, workspace: Workspace, settings: ServiceSettings) -> None:
        self._index, self._workspace, self._settings = index, workspace, settings
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="querist-housekeeping", daemon=True)

    def start(self) -> None:
        """Tidy up now, and begin."""
        self.tidy()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def tidy(self) -> None:
        """Remove what is old."""
        self._workspace.sweep()
        idempotency.forget_old(self._index)
        with self._index.write() as connection:
            outbox.forget_old(connection, DELIVERIES_DAYS)
            leases.forget_old(connection)
        if self._settings.jobs.keep_days is not None:
            erase_old(self._index, self._workspace, self._settings.jobs.keep_days)

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            try:
                self.tidy()
            except Exception as error:  # noqa: BLE001 - it is tried again later
                _LOG.error("housekeeping failed", exc_info=error)
