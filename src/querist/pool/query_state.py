"""What the journal of a query says so far: which rows are done, what failed, what was picked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from querist.core.events import Fact

STARTED, CHUNK, PICKED, ENDED = "run.started", "scan.chunk", "query.picked", "query.ended"
CANDIDATES = "candidates"

COUNTED = ("scored", "failed", "read", "bytes", "decoded", "inferred", "changed", "duplicates")
"""Numbers that chunks tell and that are summed up."""


class Range(NamedTuple):
    """Positions ``start`` to ``stop`` of a part's rows."""

    part: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many."""
        return self.stop - self.start


@dataclass(slots=True)
class QueryState:
    """A fold over the facts of a query.

    Attributes:
        epoch: How often it was started.
        done: By part, where finished ranges begin, and where they end.
        counts: Sums of :data:`COUNTED`, over all parts.
        judged: Scored and failed items of the candidates.
        failed: Failed ones among them.
        example: The sentence of the first of these.
        seconds: By stage, summed over workers.
        batch: Items in a call of the model, once it is known.
        pilot: Items in the second unit of work, once it is known.
        chunk: Items in a unit of work, once it is known.
        outputs: By part and need, the shape of a row and its type.
        picked: How many were picked; None before the end.
        ended: How the last attempt ended, "" while it has not: finished, failed or cancelled.
        reason: Why.
        traceback: Of what failed in somebody's code.
        t: Seconds of the query's clock at the last fact.
    """

    epoch: int = 0
    done: dict[str, dict[int, int]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    failed: int = 0
    example: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    batch: int | None = None
    pilot: int | None = None
    chunk: int | None = None
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    picked: int | None = None
    ended: str = ""
    reason: str = ""
    traceback: str = ""
    t: float = 0.0

    def fold(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take one fact."""
        self.t = max(self.t, float(data.get("t", 0.0)))
        if kind == STARTED:
            self.epoch, self.ended, self.reason = self.epoch + 1, "", ""
        elif kind == CHUNK:
            self._chunk(data)
        elif kind == PICKED:
            self.picked = int(data["count"])
        elif kind == ENDED:
            self.ended, self.reason = str(data["status"]), str(data["reason"])
            self.traceback = str(data.get("traceback", ""))

    def fold_fact(self, fact: Fact) -> None:
        """Take one fact as it is recorded."""
        self.fold(fact.kind, fact.data)

    def _chunk(self, data: Mapping[str, Any]) -> None:
        done = self.done.setdefault(data["part"], {})
        if data["start"] in done:  # finished twice, by a worker that was thought lost
            return
        done[data["start"]] = data["stop"]
        self.counts.update({name: int(data["counts"].get(name, 0)) for name in COUNTED})
        for stage, spent in data["seconds"].items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
        if data["part"] == CANDIDATES:
            self.example = self.example or next((said for *_, said in data.get("failures", [])), "")
            self.failed += int(data["counts"]["failed"])
            self.judged += int(data["stop"]) - int(data["start"])
        self.batch = data.get("batch") or self.batch
        self.pilot = data.get("pilot") or self.pilot
        self.chunk = data.get("chunk") or self.chunk
        if data.get("outputs"):
            self.outputs.setdefault(data["part"], {}).update(data["outputs"])

    def items_done(self, part: str) -> int:
        """How many rows of a part are finished."""
        return sum(stop - start for start, stop in self.done.get(part, {}).items())

    def gaps(self, part: str, count: int) -> list[Range]:
        """What of a part's rows is not finished, in order."""
        found, at = [], 0
        for start, stop in sorted(self.done.get(part, {}).items()):
            if start > at:
                found.append(Range(part, at, start))
            at = max(at, stop)
        if at < count:
            found.append(Range(part, at, count))
        return found
