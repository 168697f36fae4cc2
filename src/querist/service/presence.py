"""That this server lives, and which others of its index do: each holds a lock that death ends.

What a server began stands in the index under its name. When it is killed nobody can tell by a time
whether it is gone or slow; the lock tells at once, to the next start and to all other servers.
"""

from __future__ import annotations

import threading
from pathlib import Path

from querist.service.ids import is_id, new_id
from querist.service.workspace import erase
from querist.store.errors import RunLocked, StoreError
from querist.store.lock import WriterLock

_TRIES = 3


class Presence:
    """One start of a server: its name is new each time.

    Args:
        folder: Of the locks of all servers that share ``data``.

    Attributes:
        name: "" before it began.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = ""
        self._doing: set[tuple[str, str]] = set()
        self._claims = threading.Lock()
        self._lock: WriterLock | None = None

    def begin(self) -> None:
        """Be there, and remove what dead servers left behind.

        Raises:
            StoreError: If the lock cannot be written.
        """
        for tried in range(1, _TRIES + 1):
            self.name = new_id("srv")
            home = self._folder / self.name
            try:
                home.mkdir(mode=0o700)
                lock = WriterLock(home, self.name)
                lock.acquire()
            except StoreError:  # another one that starts took the new folder for left behind
                if tried == _TRIES:
                    raise
                continue
            self._lock = lock
            break
        for path in self._folder.iterdir():
            self.lives(path.name)

    def end(self) -> None:
        """Be gone; harmless when it never began."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
            erase(self._folder / self.name)

    def lives(self, name: str) -> bool:
        """Whether the server of this name is there; what a dead one left is removed."""
        home = self._folder / name
        if name == self.name or not is_id(name, "srv") or not home.is_dir():
            return name == self.name
        try:
            with WriterLock(home, name):
                erase(home)
        except RunLocked:
            return True
        except StoreError:
            return home.is_dir()  # where nothing can be told nothing is taken from it
        return False

    def claim(self, request: tuple[str, str]) -> bool:
        """Whether nobody here is at a request of a tenant and key; whoever asked is at it then."""
        with self._claims:
            if request in self._doing:
                return False
            self._doing.add(request)
            return True

    def unclaim(self, request: tuple[str, str]) -> None:
        """It is done, or given up."""
        with self._claims:
            self._doing.discard(request)
