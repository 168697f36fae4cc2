"""Labelled data into and out of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from querist.campaign.campaign import append_facts
from querist.campaign.labels import LabelReader
from querist.campaign.starting import imported_facts
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import read, write
from querist.store.run_folder import RunFolder


def gather(
    sources: Sequence[Path],
    *,
    format: str | None = None,
    holdout: float = 0.0,
    calibration: float = 0.0,
    level: str = "",
    seed: int = 0,
) -> Dataset:
    """Read and join labelled files and draw purposes at random.

    Args:
        sources: Files or folders.
        format: Their format; None tells by the suffix.
        holdout: Share drawn at random for the hold-out.
        calibration: Share drawn at random for calibration.
        level: Level of theory where the file has none.
        seed: Of the draw.

    Raises:
        ConfigError: If a file is missing or the shares make no sense.
    """
    if min(holdout, calibration) < 0 or holdout + calibration > 1:
        raise ConfigError("the shares of hold-out and calibration should be within 0 and 1.")
    parts: list[Dataset] = [read(path, format) for path in sources]
    levels = tuple(given or level for part in parts for given in part.levels)
    inputs = Batch.concatenate(part.inputs for part in parts)
    outputs = Batch.concatenate(part.outputs for part in parts)
    purposes = [purpose for part in parts for purpose in part.purposes]
    order = np.random.default_rng(seed).permutation(len(inputs))
    cut = round(holdout * len(inputs)), round((holdout + calibration) * len(inputs))
    for rank, row in enumerate(order):
        if rank < cut[1]:
            purposes[row] = (Purpose.HOLDOUT if rank < cut[0] else Purpose.CALIBRATION).value
    return Dataset(inputs, outputs, tuple(purposes), levels)


def import_to(output: Path, sources: Sequence[Path], **how: Any) -> str:
    """Write labelled files as one labels file; returns a sentence."""
    dataset = gather(sources, **how)
    write(output, dataset)
    return f"{_counts(dataset)} written to {output}"


def import_into(run: Path, sources: Sequence[Path], **how: Any) -> str:
    """Add labelled files to a run that is not running; returns a sentence.

    Raises:
        RunLocked: If it is running.
    """
    dataset = gather(sources, **how)
    folder = RunFolder(run)
    with folder.lock():
        now = max((r.data.get("t", 0.0) for r in folder.journal_reader().read_new()), default=0.0)
        origin = ", ".join(path.name for path in sources)
        append_facts(folder, imported_facts(dataset, origin, now))
    return f"{_counts(dataset)} added to {run}; continue with: querist resume {run}"


def export_from(run: Path, output: Path, format: str | None, purpose: str) -> str:
    """Write a run's labels; returns a sentence."""
    dataset = LabelReader(RunFolder(run).journal).all()
    if purpose != "all":
        dataset = dataset.only(Purpose(purpose))
    write(output, dataset, format)
    return f"{_counts(dataset)} written to {output}"


def _counts(dataset: Dataset) -> str:
    counts = {p.value: len(dataset.rows(p)) for p in Purpose}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{len(dataset)} labels ({said or 'none'})"
