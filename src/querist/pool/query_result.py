"""What came of a query: picks, failures, counts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.accounting.notebook import card, cut, grid
from querist.accounting.report_html import tag
from querist.core.tasks import resolve

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
        """Ids of the picks, in their order."""
        return [pick.id for pick in self.picks]

    @property
    def uris(self) -> list[str]:
        """URIs of the picks, in their order; "" of inline items."""
        return [pick.uri for pick in self.picks]

    def contact_sheet(self, path: Path | str, columns: int = 0) -> Path:
        """Draw the picks side by side, at most the first 400.

        Args:
            path: The file to write: .png, .pdf or .svg.
            columns: Side by side; 0 makes the sheet about as wide as it is high.

        Returns:
            The path.
        """
        # By its path: what draws items opens pools, whose queries return this.
        draw = resolve("querist.pool.contact_sheet:sheet_of_picks")
        captions = {pick.id: f"{pick.rank}: {pick.score:.3g}" for pick in self.picks}
        sheet: Path = draw(self.folder.parent.parent, captions, path, columns)
        return sheet

    def _repr_html_(self) -> str:
        """The first picks with scores and reasons, in a notebook."""
        told = str(self._replace(picks=[], notes=())).partition(" ")[2]
        shown, more = cut(self.picks, _PRINTED)
        rows = [(one.rank, one.id, _brief(one.uri), f"{one.score:.4g}", one.why) for one in shown]
        picks = grid(("rank", "item", "where", "score", "why"), rows)
        return card(f"{len(self.picks):,} {told}", picks, more, *[tag("p", x) for x in self.notes])

    def __str__(self) -> str:
        counts = self.counts
        lines = [
            f"{len(self.picks):,} of {counts.get('candidates', 0):,} items picked by "
            f"{self.strategy}" + (f", {counts['failed']:,} failed" if counts.get("failed") else "")
        ]
        lines += [
            f"{pick.rank:>4}  {pick.id}  {_brief(pick.uri)}" for pick in self.picks[:_PRINTED]
        ]
        more = len(self.picks) - _PRINTED
        lines += [f"      and {more:,} more"] if more > 0 else []
        return "\n".join([*lines, *self.notes])


def _brief(uri: str) -> str:
    """Without the content that a data URI is."""
    return f"{uri[:32]}..." if uri.startswith("data:") else uri


def result_digest(rows: NDArray[np.int64], scores: NDArray[np.float64]) -> str:
    """Of picks: equal for equal rows in equal order with equal scores."""
    told = hashlib.blake2b(np.ascontiguousarray(rows, "<i8").tobytes(), digest_size=16)
    told.update(np.ascontiguousarray(scores, "<f8").tobytes())
    return told.hexdigest()
