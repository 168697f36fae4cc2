"""Questions of runs for people: journals are followed once for all who answer."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

from querist.campaign.asked import Questions

MOST = 16  # runs that are held

_Key = tuple[Path, int, int]


class Asking:
    """The runs whose questions were looked at last. Several threads may use it."""

    def __init__(self) -> None:
        self._held = OrderedDict[_Key, Questions]()
        self._lock = threading.Lock()

    def of(self, folder: Path) -> Questions:
        """The questions of a run, which know what they read before.

        Raises:
            QueristError: If there is no run any more, or it cannot be read.
        """
        key = _key(folder)
        with self._lock:
            found = self._held.get(key)
        if found is None:
            found = Questions(folder)
        with self._lock:
            self._held[key] = found
            self._held.move_to_end(key)
            while len(self._held) > MOST:
                self._held.popitem(last=False)
        return found

    def drop(self, folder: Path) -> None:
        """Begin anew with a run, after something went wrong."""
        with self._lock:
            for key in [one for one in self._held if one[0] == folder]:
                del self._held[key]


def _key(folder: Path) -> _Key:
    """A run that was removed, and another one in its place, are two."""
    try:
        found = (folder / "manifest.json").stat()
    except OSError:
        return folder, 0, 0
    return folder, found.st_ino, found.st_mtime_ns


def lease_key(folder: Path) -> str:
    """Under which the questions of a run are lent; 32 characters, as a pool's id has at most."""
    return "cmp_" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:28]
