"""Partial results: lines of JSON that a simulation appends to a file while it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

EVERY_SECONDS = 1.0
LONGEST = 1 << 20  # bytes read at once: a simulation that floods its file is not followed closely


class Stream:
    """Follows a file and hands on what was appended, at most once a second.

    Args:
        path: The file; it need not exist yet.
        send: Gets ``{"lines": [...], ...about}`` with the new objects in order.
        about: Sent along.
    """

    def __init__(
        self, path: Path, send: Callable[[Mapping[str, Any]], None], about: Mapping[str, Any]
    ) -> None:
        self._path, self._send, self._about = path, send, about
        self._offset = path.stat().st_size if path.is_file() else 0  # of an earlier try
        self._next = 0.0

    def look(self, last: bool = False) -> None:
        """Read on if it is time, or for the ``last`` time."""
        now = time.monotonic()
        if now < self._next and not last:
            return
        self._next = now + EVERY_SECONDS
        lines = self._read()
        if lines:
            self._send({"lines": lines, **self._about})

    def _read(self) -> list[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                if self._path.stat().st_size < self._offset:  # it was begun anew
                    self._offset = 0
                file.seek(self._offset)
                data = file.read(LONGEST)
        except OSError:  # not there yet, or replaced just now
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole) or (len(data) if len(data) == LONGEST else 0)
        return [found for line in whole.splitlines() if (found := _parsed(line)) is not None]


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The object on a line; None for anything else, which is the simulation's own business."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
