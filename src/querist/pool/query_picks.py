"""What a query recorded of its picks, with their reasons, and of what it could not use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from querist.core.batch import Array
from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.pool.query_listing import part_rows
from querist.pool.query_result import ItemFailure, Pick
from querist.pool.query_state import CHUNK, PICKED
from querist.store.run_folder import RunFolder

_PAGE = 5000


def picks_of(pool: Pool, told: Mapping[str, Any], arrays: Mapping[str, Array]) -> Iterator[Pick]:
    """The picks that a query recorded, with what the pool says of their items."""
    rows, scores = np.asarray(arrays["rows"], np.int64), arrays["scores"]
    reasons = Reasons(told, arrays)
    for start in range(0, len(rows), _PAGE):
        part = slice(start, start + _PAGE)
        items = {item.row: item for item in pool.located(rows[part])}
        told_of = zip(rows[part].tolist(), scores[part].tolist(), strict=True)
        for rank, (row, score) in enumerate(told_of, start):
            item = items.get(row)
            if item is not None:
                yield Pick(rank, item.id, item.uri, score, reasons.of(rank, score), row)


class Reasons:
    """Why items were picked, as sentences."""

    def __init__(self, told: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self._strategy, self._classes = str(told["strategy"]), list(told.get("classes", ()))
        first, sure = arrays.get("classes"), arrays.get("confidences")
        self._first = None if first is None else first.tolist()
        # Whole percents: few enough to have each guess put into words once.
        self._sure = (
            None if sure is None else np.rint(100 * np.nan_to_num(sure)).astype(int).tolist()
        )
        self._said: dict[tuple[int, int], str] = {}

    def of(self, rank: int, score: float) -> str:
        """The sentence for the pick of a rank."""
        said = f"{self._strategy} {score:.4g}"
        if self._first is None or self._sure is None:
            return said
        guesses = map(self._guess, self._first[rank], self._sure[rank])
        return f"{said}: the model says {' or '.join(guesses)}"

    def _guess(self, number: int, percent: int) -> str:
        said = self._said.get((number, percent))
        if said is None:
            known = self._classes
            name = known[number] if number < len(known) else f"class {number}"
            said = self._said[number, percent] = f"{name} {percent}%"
        return said


def failures_of(pool: Pool, folder: RunFolder, after: int, limit: int) -> list[ItemFailure]:
    """A page of the items that could not be used, in the order in which they were met."""
    found: list[tuple[int, str, str]] = []
    for row, reason, message in _recorded(folder):
        after -= 1
        if after < 0:
            found.append((row, reason, message))
        if len(found) >= limit:
            break
    items = {item.row: item for item in pool.fetch([row for row, _, _ in found])}
    return [_failure(items.get(row), row, reason, message) for row, reason, message in found]


def _failure(item: Item | None, row: int, reason: str, message: str) -> ItemFailure:
    id, uri = ("", "") if item is None else (item.id, item.uri)
    return ItemFailure(id, uri, reason, message, row)


def _recorded(folder: RunFolder) -> Iterator[tuple[int, str, str]]:
    seen: set[tuple[str, int]] = set()
    for record in folder.journal_reader():
        if record.kind != CHUNK or (record.data["part"], record.data["start"]) in seen:
            continue
        seen.add((record.data["part"], record.data["start"]))
        failures = record.data.get("failures", [])
        rows = part_rows(folder.path, record.data["part"]) if failures else np.zeros(0)
        for at, reason, message in failures:
            yield int(rows[at]), reason, message


def picked_fact(folder: RunFolder) -> tuple[Mapping[str, Any], Mapping[str, Array]] | None:
    """What a query recorded of its picks, or None."""
    for record in folder.journal_reader():
        if record.kind == PICKED:
            return record.data, record.arrays
    return None
