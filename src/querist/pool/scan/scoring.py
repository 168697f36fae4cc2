"""From outputs to what a chunk tells: scores, the likeliest classes, and items that have none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array
from querist.pool.query_listing import part_rows
from querist.pool.query_needs import LABELLED
from querist.pool.query_state import CANDIDATES, CHUNK
from querist.pool.scan.outputs import outputs_path, read_rows, write_rows
from querist.pool.scan.place import Place
from querist.pool.scan.work import Chunk
from querist.store.run_folder import RunFolder
from querist.strategies.checks import bad_rows
from querist.strategies.needs import NEEDS, Belongs

SHOWN = 2  # likeliest classes that are told


class Scorer:
    """Makes of a finished chunk what its task tells.

    Args:
        place: What the worker works with.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._fixed: dict[str, Any] | None = None

    def arrays(self, chunk: Chunk) -> dict[str, Array]:
        """What is recorded of a chunk's rows; what batchwise strategies read is written."""
        self._refuse_bad(chunk)
        candidates = chunk.rows.part == CANDIDATES
        pointwise = self._place.strategy.pointwise
        if not (candidates and pointwise):
            self._write(chunk)
        if not candidates:
            return {}
        told = likeliest(chunk) if "probabilities" in chunk.outputs else {}
        return {**told, "scores": self._scores(chunk)} if pointwise else {**told}

    def _refuse_bad(self, chunk: Chunk) -> None:
        """Outputs that no strategy can use are failures of their items."""
        for name, values in chunk.outputs.items():
            at = np.flatnonzero(chunk.good)
            for sentence, rows in bad_rows(values[at], NEEDS[name].holds):
                what = _first(sentence).removeprefix("have values that ")
                for position in at[rows].tolist():
                    message = f"The model's {name.replace('_', ' ')} of the item {what}."
                    chunk.fail(position, "not-finite" if "NaN" in what else "model", message)
                chunk.good[at[rows]] = False

    def _write(self, chunk: Chunk) -> None:
        folder, part = self._place.run.path, chunk.rows.part
        count = len(part_rows(folder, part))
        for name, values in chunk.outputs.items():
            filled = values
            if not chunk.good.all():
                filled = values.copy()
                filled[~chunk.good] = 0
            write_rows(outputs_path(folder, part, name), count, chunk.rows.start, filled)

    def _scores(self, chunk: Chunk) -> NDArray[np.float64]:
        """``(n,)``, NaN where there is none."""
        scores = np.full(len(chunk.numbers), np.nan)
        good = chunk.good
        if good.any():
            given = {
                name: chunk.outputs[need] if good.all() else chunk.outputs[need][good]
                for name, (part, need) in self._place.needs.names.items()
                if part == CANDIDATES
            }
            if self._place.needs.costs:
                rows = chunk.rows
                costs = part_rows(self._place.run.path, "costs")[rows.start : rows.stop]
                given["costs"] = costs[good]
            scores[good] = self._place.strategy.scores(
                **given, **self.fixed, **self._place.settings.options
            )
        return scores

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Data that are not of the pool's candidates, read once."""
        if self._fixed is None:
            self._fixed = fixed_data(self._place)
        return self._fixed


def _first(text: str) -> str:
    """Its first sentence, without the full stop; numbers have points, too."""
    return re.split(r"\.(?=\s|$)", text, maxsplit=1)[0]


def fixed_data(place: Place) -> dict[str, Any]:
    """Labelled items and targets, by the strategy's names; items that failed are left out."""
    folder, found = place.run.path, dict[str, Any]()
    for name, (part, need) in place.needs.names.items():
        if NEEDS[name].belongs is not Belongs.POOL:
            good = usable(place.run, part, len(part_rows(folder, part)))
            found[name] = np.array(read_rows(outputs_path(folder, part, need))[good])
    for name in place.needs.told:
        values = part_rows(folder, name)
        good = np.ones(len(values), np.bool_)
        if LABELLED in place.needs.scanned:
            good = usable(place.run, LABELLED, len(values))
        found[name] = np.array(values[good])
    return found


def usable(run: RunFolder, part: str, count: int) -> NDArray[np.bool_]:
    """Which rows of a part did not fail, by the journal."""
    good = np.zeros(count, np.bool_)
    for record in run.journal_reader():
        if record.kind == CHUNK and record.data["part"] == part:
            good[record.data["start"] : record.data["stop"]] = True
            for position, _, _ in record.data.get("failures", []):
                good[position] = False
    return good


def likeliest(chunk: Chunk) -> dict[str, Array]:
    """The likeliest classes and how sure the model is of each: ``(n, 2)`` both."""
    values = chunk.outputs["probabilities"]
    count = min(SHOWN, values.shape[1])
    first = np.argpartition(-values, range(count), axis=1)[:, :count]
    sure = np.take_along_axis(values, first, axis=1)
    return {"classes": first.astype(np.uint16), "confidences": sure.astype(np.float16)}
