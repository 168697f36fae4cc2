"""The dataset as the journal tells it, read by trainers while it grows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Reason
from querist.core.batch import Array, Batch
from querist.core.errors import RunError
from querist.core.events import unpack_batch
from querist.sources.formats.fields import aligned
from querist.store.reader import JournalReader

WAIT_SECONDS = 60.0
_NOT_OF_THE_INPUT = (Reason.WORKER_LOST, Reason.CANCELLED, Reason.WRONG_SHAPE)
_OF_THE_INPUT = {reason.value for reason in Reason if reason not in _NOT_OF_THE_INPUT}


class LabelReader:
    """Follows a run's journal and gives its dataset in any version.

    Works on any host that sees the run's folder.

    Args:
        journal: The journal's folder.
    """

    def __init__(self, journal: Path | str) -> None:
        self._reader = JournalReader(journal)
        self._samples: dict[str, tuple[Mapping[str, Array], str | None]] = {}
        self._inputs: list[Batch] = []
        self._outputs: list[Batch] = []
        self._purposes: list[str] = []
        self._levels: list[str] = []
        self._costs: dict[str, float] = {}
        self._failed: list[tuple[int, Batch]] = []  # with the number of labels of then

    def __len__(self) -> int:
        return len(self._purposes)

    def read(self) -> int:
        """Take in what was added since; returns the number of labels."""
        for record in self._reader.read_new():
            take = _TAKE.get(record.kind)
            if take is not None:
                take(self, record)
        return len(self)

    def at(self, version: int, wait_s: float = WAIT_SECONDS) -> Dataset:
        """The first ``version`` labels, in the order in which they became durable.

        A network file system may show them a little late, so it waits.

        Raises:
            RunError: If they do not appear within ``wait_s`` seconds.
        """
        until = time.monotonic() + wait_s
        while self.read() < version:
            if time.monotonic() > until:
                raise RunError(
                    f"the journal shows {len(self)} labels, but version {version} was asked for; "
                    "is the run's folder on a file system that all hosts see?"
                )
            time.sleep(0.05)
        # Of these labels only: later ones must not change what an earlier version holds.
        inputs = _same_fields(_first(self._inputs, version))
        outputs = _common_fields(_first(self._outputs, version))
        if version == len(self) and version:
            self._merge(inputs, outputs)
        return Dataset(
            inputs,
            outputs,
            tuple(self._purposes[:version]),
            tuple(self._levels[:version]),
            version,
        )

    def failed(self, version: int) -> Batch:
        """Inputs of questions that failed for good before label number ``version`` was durable.

        So the same version always has the same failures. What failed through no fault of its input
        (its worker was lost, it was cancelled) is left out.
        """
        return _same_fields([one for labels, one in self._failed if labels < version])

    def costs(self, samples: Sequence[str]) -> NDArray[np.float64]:
        """``(n,)`` what the answers to these samples cost; of imported ones the mean of the rest.

        None is below a millionth of the dearest, since ratios of costs are what counts.
        """
        known = np.array([self._costs.get(sample, np.nan) for sample in samples], np.float64)
        typical = np.nanmean(known) if np.isfinite(known).any() else 1.0
        filled = np.where(np.isfinite(known), known, typical)
        return np.maximum(filled, max(1e-6 * float(filled.max(initial=0.0)), 1e-12))

    def all(self) -> Dataset:
        """The newest version."""
        return self.at(self.read())

    def _merge(self, inputs: Batch, outputs: Batch) -> None:
        """Keep one batch instead of its parts, where none of them has further fields."""
        names = set(inputs.columns), set(outputs.columns)
        parts = zip(self._inputs, self._outputs, strict=True)
        if all((set(i.columns), set(o.columns)) == names for i, o in parts):
            self._inputs, self._outputs = [inputs], [outputs]

    def _asked(self, record: Any) -> None:
        arrays = {k[3:]: v for k, v in record.arrays.items() if k[:3] == "in/"}
        self._samples[record.data["question"]] = (arrays, record.data.get("uri"))

    def _labelled(self, record: Any) -> None:
        inputs = _one(self._samples.pop(record.data["question"]), record)
        outputs = {k[4:]: v for k, v in record.arrays.items() if k[:4] == "out/"}
        self._inputs.append(inputs)
        self._outputs.append(Batch.of([outputs]))
        self._purposes.append(record.data["purpose"])
        self._levels.append(record.data["level"])
        self._costs[record.data["sample"]] = float(record.data.get("cost") or 0.0)

    def _imported(self, record: Any) -> None:
        inputs, outputs = unpack_batch(record.arrays, "in/"), unpack_batch(record.arrays, "out/")
        self._inputs.append(inputs.with_ids())
        self._outputs.append(outputs)
        self._purposes.extend([record.data["purpose"]] * len(inputs))
        self._levels.extend([record.data["level"]] * len(inputs))

    def _closed(self, record: Any) -> None:
        if not record.data.get("final", True):
            return
        found = self._samples.pop(record.data["question"], None)
        if found is not None and record.data.get("reason") in _OF_THE_INPUT:
            self._failed.append((len(self), _one(found, record)))


def _one(sample: tuple[Mapping[str, Array], str | None], record: Any) -> Batch:
    """The input that a record answers."""
    arrays, uri = sample
    uris = None if uri is None else (uri,)
    return Batch(Batch.of([arrays]).columns, (record.data["sample"],), uris)


def _first(parts: list[Batch], count: int) -> list[Batch]:
    """Parts that together are the first ``count`` rows."""
    found: list[Batch] = []
    for part in parts:
        if count <= 0:
            break
        found.append(part if len(part) <= count else part.take(range(count)))
        count -= len(part)
    return found


def _same_fields(parts: list[Batch]) -> Batch:
    """One batch of all inputs; optional fields of atoms are filled with their defaults.

    Raises:
        RunError: If samples differ in their fields: dropping one could change what they mean.
    """
    filled = aligned(parts) if parts else []
    fields = {tuple(sorted(part.columns)) for part in filled if len(part)}
    if len(fields) > 1:
        kinds = " and ".join(str(list(names)) for names in sorted(fields)[:2])
        raise RunError(f"the samples of this run differ in their fields: some have {kinds}.")
    return Batch.concatenate(filled)


def _common_fields(parts: list[Batch]) -> Batch:
    """One batch of the outputs that all labels have."""
    if not parts:
        return Batch({})
    names = set.intersection(*(set(part.columns) for part in parts))
    if not names:
        raise RunError("the labels of this run have no output in common.")
    cut = [
        Batch({n: part.columns[n] for n in part.columns if n in names}, part.keys) for part in parts
    ]
    return Batch.concatenate(cut)


_TAKE = {
    "question.asked": LabelReader._asked,
    "answer.label": LabelReader._labelled,
    "answer.failure": LabelReader._closed,
    "answer.abstention": LabelReader._closed,
    "labels.imported": LabelReader._imported,
}
