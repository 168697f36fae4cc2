"""Labelled data into and out of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from querist.campaign.campaign import append_facts
from querist.campaign.labels import LabelReader
from querist.campaign.starting import imported_facts
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import aligned, join, read, write
from querist.sources.formats.fields import DEFAULTS
from querist.store.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of the samples that are drawn at random.

    Attributes:
        holdout: For the hold-out.
        calibration: For calibration.
        seed: Of the draw.
    """

    holdout: float = 0.0
    calibration: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.holdout, self.calibration) < 0 or self.holdout + self.calibration > 1:
            raise ConfigError("the shares of hold-out and calibration should be within 0 and 1.")


ALL_TRAIN = Split()


def gather(
    sources: Sequence[Path],
    split: Split = ALL_TRAIN,
    *,
    format: str | None = None,
    level: str = "",
    options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Read and join labelled files and draw purposes at random.

    Labels that their file says to be for something else than training keep their purpose. All
    labels of one sample get one purpose.

    Args:
        sources: Files or folders.
        split: How many are for the hold-out and for calibration.
        format: Their format; None tells by the suffix.
        level: Level of theory where the file has none.
        options: Of the reader, see :func:`querist.sources.formats.read`.

    Raises:
        ConfigError: If a file is missing or cannot be used, or files do not belong together.
    """
    parts = [read(path, format, **(options or {})) for path in sources]
    joined = join(parts, [str(path) for path in sources])
    levels = tuple(given or level for given in joined.levels)
    return replace(joined, purposes=_drawn(joined, split), levels=levels)


def _drawn(dataset: Dataset, split: Split) -> tuple[str, ...]:
    free = dataset.rows(Purpose.TRAIN)
    ids = dataset.inputs.ids
    unique = list(dict.fromkeys(ids[row] for row in free))
    order = np.random.default_rng(split.seed).permutation(len(unique))
    first = round(split.holdout * len(unique))
    second = round((split.holdout + split.calibration) * len(unique))
    drawn = {unique[i]: Purpose.HOLDOUT.value for i in order[:first]}
    drawn |= {unique[i]: Purpose.CALIBRATION.value for i in order[first:second]}
    purposes = list(dataset.purposes)
    for row in free:
        purposes[row] = drawn.get(ids[row], purposes[row])
    return tuple(purposes)


def import_to(output: Path, sources: Sequence[Path], **how: Any) -> str:
    """Write labelled files as one labels file; returns a sentence."""
    dataset = gather(sources, **how)
    write(output, dataset)
    return f"{_counts(dataset)} written to {output}"


def import_into(run: Path, sources: Sequence[Path], **how: Any) -> str:
    """Add labelled files to a run that is not running; returns a sentence.

    Samples that the run has a label of already are passed over, so that nothing is there twice,
    or in the hold-out and trained on.

    Raises:
        RunLocked: If it is running.
    """
    dataset = gather(sources, **how)
    folder = RunFolder(run)
    with folder.lock():
        new = _fitting(dataset, LabelReader(folder.journal).all(), run)
        now = max((r.data.get("t", 0.0) for r in folder.journal_reader().read_new()), default=0.0)
        origin = ", ".join(path.name for path in sources)
        append_facts(folder, imported_facts(new, origin, now))
    known = len(dataset) - len(new)
    passed = f" ({known} passed over: the run has labels of these samples)" if known else ""
    return f"{_counts(new)} added to {run}{passed}; continue with: querist resume {quote(str(run))}"


def _fitting(dataset: Dataset, held: Dataset, run: Path) -> Dataset:
    """The labels that are new to a run, with the fields of its samples.

    Where labels differ in their fields, a run takes the fields that all have: what it has must not
    vanish, and samples that differ in a field it has not must not become one.
    """
    if not len(held):
        return dataset
    inputs = _trimmed(aligned([dataset.inputs, held.inputs])[0], held.inputs)
    differing = sorted(set(inputs.columns) ^ set(held.inputs.columns))
    lacking = sorted(set(held.outputs.columns) - set(dataset.outputs.columns))
    if differing or lacking:
        raise ConfigError(
            f"{run} has samples of {sorted(held.inputs.columns)} with labels "
            f"{sorted(held.outputs.columns)}; to be added are samples of {sorted(inputs.columns)} "
            f"with labels {sorted(dataset.outputs.columns)}. They do not belong together because "
            f"of {differing + lacking}."
        )
    there = set(held.inputs.ids)
    new = [row for row, sample in enumerate(inputs.ids) if sample not in there]
    return replace(dataset, inputs=inputs).take(np.array(new, np.int64))


def _trimmed(batch: Batch, like: Batch) -> Batch:
    """Without optional fields of atoms that the other does not have and that say nothing here."""
    idle = {
        name
        for name, value in DEFAULTS.items()
        if name in batch and name not in like and (batch[name] == value).all()
    }
    columns = {name: column for name, column in batch.columns.items() if name not in idle}
    return Batch(columns, uris=batch.uris)


def export_from(run: Path, output: Path, format: str | None = None, purpose: str = "all") -> str:
    """Write a run's labels; returns a sentence.

    Args:
        run: Folder of the run, running or not.
        output: The file, or a new folder for DeePMD npy.
        format: Of the output; None tells by the suffix.
        purpose: Only labels of this purpose, or "all".

    Raises:
        ConfigError: If there is nothing to write, or the format cannot hold it.
    """
    dataset = LabelReader(RunFolder(run).journal).all()
    if purpose != "all":
        dataset = dataset.only(Purpose(purpose))
    write(output, dataset, format)
    return f"{_counts(dataset)} written to {output}"


def _counts(dataset: Dataset) -> str:
    counts = {p.value: len(dataset.rows(p)) for p in Purpose}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{len(dataset)} labels ({said or 'none'})"
