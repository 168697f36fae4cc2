"""What lies between the stages of a scan, counted in bytes and bounded."""

from __future__ import annotations

import threading
from pathlib import Path

_PAGE = 4096


class Held:
    """A bound on bytes that several threads share.

    Attributes:
        limit: In bytes.
        held: Now.
        most: Ever.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.held, self.most = limit, 0, 0
        self._changed = threading.Condition()
        self._closed = False

    def take(self, size: int) -> bool:
        """Wait until so many bytes fit, or nothing else is held; False once it is closed."""
        with self._changed:
            while self.held and self.held + size > self.limit and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self.held += size
            self.most = max(self.most, self.held)
            return True

    def give(self, size: int) -> None:
        """Give bytes back; a negative number takes more without waiting."""
        with self._changed:
            self.held -= size
            self.most = max(self.most, self.held)
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def resident_mb() -> float:
    """Resident memory of this process in MiB; 0 where the system does not tell."""
    try:
        words = Path("/proc/self/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return int(words[1]) * _PAGE / 2**20
