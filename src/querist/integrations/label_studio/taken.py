"""Which annotations became labels: so that one that is deleted in Label Studio is taken back here.

``POOL/label-studio/taken.jsonl`` has a line for each annotation that was taken, and for each that
is gone: numbers, ids and names, no labels. What is missing in it is taken once more, which does no
harm.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from querist.pool.errors import Forgotten, UnknownItem
from querist.pool.pool import Pool

FOLDER, FILE = "label-studio", "taken.jsonl"


class Taken(NamedTuple):
    """An annotation that became a label.

    Attributes:
        id: Of the annotation.
        task: Number of its task, and when that was made: two servers may give the same numbers.
        item: Of the pool.
        by: Who made it.
        changed: When it was changed last, as Label Studio says.
        at: When it was taken; seconds since 1970.
    """

    id: int
    task: tuple[int, str]
    item: str
    by: str
    changed: str
    at: float = 0.0


@dataclass
class Register:
    """The annotations that were taken into a pool.

    Attributes:
        pool: The pool.
    """

    pool: Pool

    def known(self) -> dict[int, Taken]:
        """By number, those that are not gone."""
        found: dict[int, Taken] = {}
        path = self.pool.folder / FOLDER / FILE
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else ()
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:  # a process was killed while it wrote
                continue
            if told.pop("gone", False):
                found.pop(told["id"], None)
            else:
                found[told["id"]] = Taken(**{**told, "task": tuple(told["task"])})
        return found

    def note(self, taken: Iterable[Taken]) -> None:
        """Write down what was taken, as far as it is new or was changed."""
        known, now = self.known(), time.time()
        fresh = [
            one
            for one in taken
            if known.get(one.id, one)._replace(at=0.0) != one or one.id not in known
        ]
        self._write([one._replace(at=now)._asdict() for one in fresh])

    def missing(self, tasks: Iterable[Mapping[str, Any]]) -> list[int]:
        """Annotations that were taken and that their tasks do not have any more."""
        by_task: dict[tuple[int, str], list[int]] = {}
        for one in self.known().values():
            by_task.setdefault(one.task, []).append(one.id)
        gone: list[int] = []
        for task in tasks:
            there = {one.get("id") for one in task.get("annotations") or ()}
            gone += [id for id in by_task.get(known_as(task), ()) if id not in there]
        return gone

    def withdraw(self, gone: Sequence[int]) -> int:
        """Take back the labels of annotations that were deleted; how many.

        A label stays where its annotator has another annotation of the item, or has said something
        of it since.
        """
        known = self.known()
        lost = [known.pop(id) for id in gone if id in known]
        others = {(one.item, one.by) for one in known.values()}
        number = sum(self._withdraw(one) for one in lost if (one.item, one.by) not in others)
        self._write([{"id": one.id, "gone": True} for one in lost])
        return number

    def _withdraw(self, one: Taken) -> int:
        try:
            said = [event for event in self.pool.history(one.item) if event.annotator == one.by]
            if not said or said[-1].kind == "withdraw" or said[-1].at > one.at:
                return 0
            return self.pool.unlabel([one.item], one.by)
        except (UnknownItem, Forgotten):
            return 0

    def _write(self, told: Sequence[Mapping[str, Any]]) -> None:
        if not told:
            return
        folder = self.pool.folder / FOLDER
        folder.mkdir(exist_ok=True)
        with (folder / FILE).open("a", encoding="utf-8") as file:
            file.write("".join(f"{json.dumps(one)}\n" for one in told))


def known_as(task: Mapping[str, Any]) -> tuple[int, str]:
    """What a task is known by: its number, and when it was made."""
    return int(task.get("id") or 0), str(task.get("created_at") or "")
