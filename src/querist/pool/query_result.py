"""What came of a query: picks with their reasons, failures, counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.accounting.notebook import card, cut, grid
from querist.accounting.report_html import tag
from querist.core.batch import Array
from querist.pool.contact_sheet import MOST, contact_sheet
from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.pool.query_listing import part_rows
from querist.pool.query_state import CHUNK, PICKED
from querist.store.run_folder import RunFolder

_PAGE = 5000
_PRINTED = 20


class Pick(NamedTuple):
    """One item to be labelled.

    Attributes:
        rank: From 0, the most useful first.
        id: Of the item.
        uri: Where it is; "" of inline items.
        score: The strategy's; what it means is the strategy's affair.
        why: The reason, for a person.
        row: Of the item in its pool.
    """

    rank: int
    id: str
    uri: str
    score: float
    why: str
    row: int


class ItemFailure(NamedTuple):
    """An item that could not be used.

    Attributes:
        id, uri: Of the item.
        reason: A word for programs: missing, too-large, forbidden, unreachable, source, broken,
            not-finite, model, fatal.
        message: A sentence.
        row: Of the item in its pool.
    """

    id: str
    uri: str
    reason: str
    message: str
    row: int


class QueryResult(NamedTuple):
    """What came of a query.

    Attributes:
        id: Of the query.
        folder: Of the query.
        picks: The most useful first; items that were forgotten since are left out.
        failures: The first of the items that could not be used.
        counts: candidates, scored, failed, picked, and what was read, decoded, inferred, changed.
        seconds: By stage, summed over workers, and "wall".
        digest: Of rows and scores: equal for equal results.
        strategy: Its name.
        notes: What a person should know of the result.
    """

    id: str
    folder: Path
    picks: list[Pick]
    failures: list[ItemFailure]
    counts: Mapping[str, int]
    seconds: Mapping[str, float]
    digest: str
    strategy: str
    notes: tuple[str, ...] = ()

    @property
    def ids(self) -> list[str]:
        """Of the picks, in their order."""
        return [pick.id for pick in self.picks]

    @property
    def uris(self) -> list[str]:
        """Of the picks, in their order; "" of inline items."""
        return [pick.uri for pick in self.picks]

    def contact_sheet(self, path: Path | str, columns: int = 0) -> Path:
        """Draw the picks side by side, at most the first 400; see :mod:`.contact_sheet`."""
        captions = {pick.id: f"{pick.rank}: {pick.score:.3g}" for pick in self.picks}
        with Pool.open(self.folder.parent.parent) as pool:
            return contact_sheet(pool, self.ids[:MOST], path, captions, columns)

    def _repr_html_(self) -> str:
        """The first picks with scores and reasons, in a notebook."""
        told = str(self._replace(picks=[], notes=())).partition(" ")[2]
        shown, more = cut(self.picks, _PRINTED)
        rows = [(one.rank, one.id, one.uri, f"{one.score:.4g}", one.why) for one in shown]
        picks = grid(("rank", "item", "where", "score", "why"), rows)
        return card(f"{len(self.picks):,} {told}", picks, more, *[tag("p", x) for x in self.notes])

    def __str__(self) -> str:
        counts = self.counts
        lines = [
            f"{len(self.picks):,} of {counts.get('candidates', 0):,} items picked by "
            f"{self.strategy}" + (f", {counts['failed']:,} failed" if counts.get("failed") else "")
        ]
        lines += [f"{pick.rank:>4}  {pick.id}  {pick.uri}" for pick in self.picks[:_PRINTED]]
        more = len(self.picks) - _PRINTED
        lines += [f"      and {more:,} more"] if more > 0 else []
        return "\n".join([*lines, *self.notes])


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


def result_digest(rows: NDArray[np.int64], scores: NDArray[np.float64]) -> str:
    """Of picks: equal for equal rows in equal order with equal scores."""
    told = hashlib.blake2b(np.ascontiguousarray(rows, "<i8").tobytes(), digest_size=16)
    told.update(np.ascontiguousarray(scores, "<f8").tobytes())
    return told.hexdigest()
