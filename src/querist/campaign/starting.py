"""What a campaign starts from: labels, a fixed test set, trained weights. None is charged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

    Raises:
        ConfigError: If a file cannot be used.
    """
    count = train = 0
    for path in start.labels:
        dataset = _read(path)
        count, train = count + len(dataset), train + len(dataset.rows(Purpose.TRAIN))
        yield from imported_facts(dataset, path.name)
    if start.test_set is not None:
        dataset = _read(start.test_set)
        purposes = (Purpose.HOLDOUT.value,) * len(dataset)
        test = Dataset(dataset.inputs, dataset.outputs, purposes, dataset.levels)
        count += len(dataset)
        yield from imported_facts(test, start.test_set.name)
    if start.weights is not None:
        yield _weights_fact(start.weights, folder, count, train)


def _read(path: Path) -> Dataset:
    from querist.sources.formats import read

    if not path.exists():
        raise ConfigError(f"the file {path} of 'start' does not exist.")
    dataset: Dataset = read(path)
    return dataset


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
