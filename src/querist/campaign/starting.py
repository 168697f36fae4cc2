"""What a campaign starts from: labels, a fixed test set, trained weights. None is charged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from querist.campaign.settings import StartSettings
from querist.core.answers import Dataset, Purpose
from querist.core.errors import ConfigError
from querist.core.events import Fact, pack_batch
from querist.store.arrays import load_arrays
from querist.store.run_folder import RunFolder


def imported_facts(dataset: Dataset, origin: str, now: float = 0.0) -> Iterator[Fact]:
    """One fact for each purpose and level of a dataset.

    Args:
        dataset: Labels from elsewhere.
        origin: Where they come from, usually a file's name.
        now: Seconds of campaign time.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(dataset.purposes, dataset.levels, strict=True)):
        groups.setdefault(key, []).append(row)
    for (purpose, level), rows in groups.items():
        arrays = {
            **pack_batch(dataset.inputs.take(rows), "in/"),
            **pack_batch(dataset.outputs.take(rows), "out/"),
        }
        data = {"t": now, "count": len(rows), "origin": origin, "level": level, "purpose": purpose}
        yield Fact("labels.imported", data, arrays)


def starting_facts(start: StartSettings, folder: RunFolder) -> Iterator[Fact]:
    """The facts of everything that a campaign starts from.

    Labels of samples that are in the test set as well are left out, and their origin says so.

    Raises:
        ConfigError: If a file cannot be used.
    """
    paths = [*start.labels, *([] if start.test_set is None else [start.test_set])]
    parts = _aligned([_read(path) for path in paths])
    origins = [path.name for path in paths]
    if start.test_set is not None:
        *labels, test = parts
        parts[-1] = replace(test, purposes=(Purpose.HOLDOUT.value,) * len(test))
        tested = set(test.inputs.ids)
        for index, part in enumerate(labels):
            parts[index], origins[index] = _without(part, tested, origins[index])
    for dataset, origin in zip(parts, origins, strict=True):
        yield from imported_facts(dataset, origin)
    train = sum(len(part.rows(Purpose.TRAIN)) for part in parts)
    count = sum(len(part) for part in parts)
    if start.weights is not None:
        yield _weights_fact(start.weights, folder, count, train)


def _aligned(parts: Sequence[Dataset]) -> list[Dataset]:
    from querist.sources.formats import aligned

    inputs = aligned([part.inputs for part in parts])
    return [replace(part, inputs=batch) for part, batch in zip(parts, inputs, strict=True)]


def _without(dataset: Dataset, tested: set[str], name: str) -> tuple[Dataset, str]:
    """The labels of other samples than those, and the origin to be recorded."""
    kept = [row for row, sample in enumerate(dataset.inputs.ids) if sample not in tested]
    left_out = len(dataset) - len(kept)
    if not left_out:
        return dataset, name
    return dataset.take(np.array(kept, np.int64)), f"{name} (without {left_out} of the test set)"


def _read(path: Path) -> Dataset:
    from querist.sources.formats import read

    if not path.exists():
        raise ConfigError(f"the file {path} of 'start' does not exist.")
    return read(path)


def _weights_fact(path: Path, folder: RunFolder, count: int, train: int) -> Fact:
    if not path.exists():
        raise ConfigError(f"the weights {path} of 'start' do not exist.")
    loaded = load_arrays(path)
    target = folder.weights.path(1, "given")
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, target)
    data: dict[str, Any] = {
        "t": 0.0,
        "version": 1,
        "files": [target.name],
        "digest": loaded.digest,
        "dataset": count,
        "train": train,
        "metrics": {},
        "why": f"given: {path.name}",
        "spans": [],
        "workers": [],
    }
    return Fact("model.published", data)
