"""The handler of a scan's workers: chunks of rows go through stages that never run empty."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.errors import RunError
from querist.core.roles import TaskContext, WorkerContext
from querist.core.tasks import Task
from querist.models.inference import Inference
from querist.pool.query_state import Range
from querist.pool.scan.memory import resident_mb
from querist.pool.scan.place import Place
from querist.pool.scan.scoring import Scorer
from querist.pool.scan.seen import keep_seen
from querist.pool.scan.selecting import select
from querist.pool.scan.stages import Stages, best_batch
from querist.pool.scan.work import Chunk

_SECONDS = 2.0  # that a unit of work should take
_LARGEST, _SMALLEST, _ROUND = 8192, 4, 4
_LOOK = 0.1  # seconds between two looks whether to stop


class Scanner:
    """Scans chunks and selects, for one query.

    While a chunk is scored and told, the stages work on the next one already, which the task names.

    Args:
        folder: Of the query.
        model: An opened model in place of that of the settings.
    """

    def __init__(self, folder: Path | str, model: Inference | None = None) -> None:
        self._folder, self._model = Path(folder), model
        self._place: Place | None = None
        self._stages: Stages | None = None
        self._scorer: Scorer | None = None
        self._begun: dict[tuple[Any, ...], Chunk] = {}

    def open(self, context: WorkerContext) -> None:
        """Take the worker's context."""
        self._place = Place(self._folder, context, self._model)

    def close(self) -> None:
        """End the stages, close what was opened."""
        for chunk in self._begun.values():
            chunk.dropped = True
        if self._stages is not None:
            self._stages.close()
        if self._place is not None:
            self._place.close()

    def run(self, task: Task, context: TaskContext) -> Mapping[str, Any]:
        """Scan the rows that a task names, or select."""
        assert self._place is not None, "open comes first"
        if task.kind == "select":
            return select(self._place)
        self._stages = self._stages or Stages(self._place)
        self._scorer = self._scorer or Scorer(self._place)
        batch = task.payload["batch"]
        chunk = self._begin(Range(*task.payload["rows"]), batch)
        if task.payload["ahead"] is not None:
            self._begin(Range(*task.payload["ahead"]), batch)
        began = time.perf_counter()
        while not chunk.done.wait(_LOOK):
            if context.should_stop():
                chunk.dropped = True
                raise RunError("this chunk was given up, as was asked for.")
        self._begun.pop(tuple(chunk.rows), None)
        if chunk.error is not None:
            raise chunk.error
        return self._told(chunk, time.perf_counter() - began)

    def _begin(self, rows: Range, batch: int | None) -> Chunk:
        assert self._stages is not None
        chunk = self._begun.get(tuple(rows))
        if chunk is None or chunk.dropped:
            for key in [key for key in self._begun if overlap(Range(*key), rows)]:
                self._begun.pop(key).dropped = True  # it was begun ahead, and is cut otherwise
            chunk = self._begun[tuple(rows)] = self._stages.submit(rows, batch)
        for key in [key for key, one in self._begun.items() if one is not chunk]:
            if len(self._begun) > 2:  # another worker has it by now
                self._begun.pop(key).dropped = True
        return chunk

    def _told(self, chunk: Chunk, waited: float) -> dict[str, Any]:
        """What is recorded of a chunk."""
        assert self._place is not None
        assert self._stages is not None
        assert self._scorer is not None
        began = time.perf_counter()
        self._place.require_same_model(chunk.rows.part)
        self._note_contents(chunk)
        self._keep(chunk)
        keep_seen(self._place, chunk)
        chunk.outputs = self._place.finished(chunk.rows.part, chunk.outputs)
        arrays = self._scorer.arrays(chunk)
        chunk.seconds.update({"wait": waited, "tell": time.perf_counter() - began})
        start, rate = chunk.rows.start, _rate(chunk)
        failures = sorted({at: (why, said) for at, why, said in chunk.failures}.items())
        counts = {**chunk.counts, "scored": int(chunk.good.sum()), "failed": len(failures)}
        return {
            "counts": {name: int(value) for name, value in counts.items()},
            "failures": [[start + at, why, said] for at, (why, said) in failures],
            "seconds": {name: round(value, 6) for name, value in chunk.seconds.items()},
            "outputs": {n: [list(v.shape[1:]), v.dtype.str] for n, v in chunk.outputs.items()},
            "batch": best_batch(chunk.timings),
            "chunk": _next_size(rate),
            "rate": rate,
            "memory_mb": round(resident_mb(), 1),
            "held_mb": round(self._stages.held.most / 2**20, 1),
            "notes": self._place.notes,
            "arrays": arrays,
        }

    def _note_contents(self, chunk: Chunk) -> None:
        """Tell the pool what was read, by which copies and changed items are found."""
        assert self._place is not None
        if not chunk.read:
            return
        at = np.fromiter(chunk.read, np.int64, len(chunk.read))
        read = np.frombuffer(b"".join(chunk.read.values()), np.uint8).reshape(len(at), -1)
        new = (chunk.contents[at] != read).any(axis=1)
        chunk.contents[at] = read
        rows = chunk.numbers[at].tolist()
        if told := dict(compress(zip(rows, chunk.read.values(), strict=True), new.tolist())):
            noted = self._place.pool.note_contents(told)
            chunk.counts["duplicates"] += noted.duplicates

    def _keep(self, chunk: Chunk) -> None:
        """Keep outputs that were computed now, for the next query."""
        assert self._place is not None
        new = np.flatnonzero(chunk.fresh & chunk.good)
        if len(new):
            made = {name: values[new] for name, values in chunk.outputs.items()}
            digest = self._place.about.digest
            rows, contents = chunk.numbers[new], chunk.contents[new]
            self._place.caches.keep_outputs(digest, made, rows, contents)


def overlap(one: Range, other: Range) -> bool:
    """Whether two ranges have rows in common."""
    return one.part == other.part and one.start < other.stop and other.start < one.stop


def _rate(chunk: Chunk) -> float | None:
    """Items a second of a unit's last calls of the model; None without any."""
    calls = chunk.timings[1:] or chunk.timings  # the first call may have compiled
    seconds = sum(spent for _, spent in calls)
    return sum(count for count, _ in calls) / seconds if seconds else None


def _next_size(rate: float | None) -> int:
    """Rows of the units of work to come, by the rate of the model."""
    if rate is None:
        return _LARGEST
    wanted = int(_SECONDS * rate)
    return min(_LARGEST, max(_SMALLEST, wanted // _ROUND * _ROUND))
