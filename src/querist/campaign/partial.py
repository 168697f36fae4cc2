"""What running simulations said last: kept in a small file for those who look from outside.

Partial results are no facts: they are not in the journal, and end with their task.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from querist.core.events import TaskFailed, TaskFinished, TaskProgress

FILE = "progress.json"
SAVE_SECONDS = 1.0


def last_line(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Worker and newest line of a partial result, as text; None for one of another kind."""
    lines = data.get("lines")
    return (str(data.get("worker", "")), json.dumps(lines[-1])) if lines else None


class Partial:
    """Follows the tasks of a run that stream.

    Args:
        run: The run's folder.
    """

    def __init__(self, run: Path) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self._path, self._changed, self._next = run / FILE, False, 0.0
        self._path.unlink(missing_ok=True)

    def progressed(self, event: TaskProgress, now: float) -> None:
        """A task said something."""
        said = last_line(event.data)
        if said is not None:
            worker, line = said
            about = {"worker": worker, "sample": event.data.get("sample", ""), "line": line}
            self.tasks[event.task], self._changed = {**about, "t": now}, True

    def ended(self, event: TaskFinished | TaskFailed) -> None:
        """A task said its last."""
        if self.tasks.pop(event.task, None) is not None:
            self._changed = True

    def save(self, force: bool = False) -> None:
        """Write the file when there is news, at most once a second."""
        now = time.monotonic()
        if not self._changed or (now < self._next and not force):
            return
        self._changed, self._next = False, now + SAVE_SECONDS
        # A disk that is full ends the run elsewhere; this file is not worth it.
        with suppress(OSError):
            partial = self._path.with_suffix(".tmp")
            partial.write_text(json.dumps(self.tasks), encoding="utf-8")
            partial.replace(self._path)

    def close(self) -> None:
        """Nothing runs any more."""
        self.tasks.clear()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def partial_of(run: Path) -> list[dict[str, Any]]:
    """What the running simulations of a run said last, by worker."""
    try:
        held = json.loads((run / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return sorted(held.values(), key=lambda item: str(item["worker"]))
