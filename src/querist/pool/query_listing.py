"""The rows of a query, fixed when it begins: a pool that grows meanwhile changes nothing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.pool.pool import Pool
from querist.pool.query_needs import LABELLED, TARGET_ROWS, TARGETS, Needs, needs_of
from querist.pool.query_settings import QuerySettings
from querist.pool.query_state import CANDIDATES
from querist.store.files import atomic_write
from querist.strategies.contract import Strategy

FOLDER = "rows"
_COST = "cost"  # the key of an item's metadata


def listed(pool: Pool, settings: QuerySettings, needs: Needs, folder: Path) -> dict[str, int]:
    """Write which rows each part of the scan has, unless that was done; returns their numbers.

    Raises:
        ConfigError: If there is nothing to pick from, or labels or costs cannot be used.
        BadFilter: If ``where`` cannot be understood.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    if not _path(folder, CANDIDATES).exists():  # written last
        _write_all(pool, settings, needs, folder)
    parts = [part for part in (LABELLED, TARGETS, CANDIDATES) if _path(folder, part).exists()]
    return {part: len(part_rows(folder, part)) for part in parts}


def _write_all(pool: Pool, settings: QuerySettings, needs: Needs, folder: Path) -> None:
    rows = _joined(list(pool.rows(settings.where)))
    if not len(rows):
        raise ConfigError(
            f"the pool {pool.name!r} has no item that is {settings.where!r}; it has {len(pool):,} "
            "items in all. Add items, or choose others with 'where'."
        )
    if isinstance(settings.budget, int) and settings.budget > len(rows):
        raise ConfigError(
            f"{settings.budget:,} items are to be picked, but only {len(rows):,} are "
            f"{settings.where!r}. Lower the budget."
        )
    if needs.told or LABELLED in needs.scanned:
        _write_labels(pool, needs, folder)
    if TARGETS in needs.scanned:
        rng = np.random.default_rng([settings.seed, 1])
        drawn = rng.choice(rows, min(TARGET_ROWS, len(rows)), replace=False)
        _save(folder, TARGETS, np.sort(drawn))
    if needs.costs:
        _save(folder, "costs", _costs(pool, rows))
    _save(folder, CANDIDATES, rows)


def _joined(pages: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(pages) if pages else np.zeros(0, np.int64)


def _write_labels(pool: Pool, needs: Needs, folder: Path) -> None:
    rows, values = list[int](), list[Any]()
    for label in pool.labels():
        if label.value != []:  # reviewed, and nothing is there
            rows.append(label.row)
            values.append(label.value)
    numbers = {name: number for number, name in enumerate(pool.classes)}
    for name in needs.told:
        classes = name == "labelled_classes" or pool.settings.task != "regression"
        _save(folder, name, _numbers(values, numbers if classes else {}, name))
    _save(folder, LABELLED, np.array(rows, np.int64))


def _numbers(values: list[Any], classes: Mapping[str, int], name: str) -> NDArray[Any]:
    try:
        if classes:
            return np.array([classes[value] for value in values], np.int64)
        return np.array(values, np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the labels of this pool cannot be {name} of a strategy: wanted one class or one "
            f"number an item ({error!r})."
        ) from error


def _costs(pool: Pool, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    costs = np.full(len(rows), np.nan)
    for start in range(0, len(rows), 10_000):
        part = rows[start : start + 10_000]
        found = {item.row: item.metadata.get(_COST) for item in pool.fetch(part)}
        costs[start : start + 10_000] = [_cost(found.get(int(row))) for row in part]
    lacking = np.flatnonzero(~(costs > 0))
    if len(lacking):
        raise ConfigError(
            f"the strategy needs what each answer costs, but {len(lacking):,} items have no number "
            f"above zero as {_COST!r} in their metadata, the first in row {rows[lacking[0]]}."
        )
    return costs


def _cost(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _save(folder: Path, name: str, array: NDArray[Any]) -> None:
    held = io.BytesIO()
    np.save(held, array, allow_pickle=False)
    atomic_write(_path(folder, name), held.getvalue())


def _path(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.npy"


def part_rows(folder: Path, part: str) -> NDArray[Any]:
    """The rows of a part (or labels, classes, costs), as a memory map."""
    found: NDArray[Any] = np.load(_path(folder, part), mmap_mode="r", allow_pickle=False)
    return found


def needs_in(folder: Path, strategy: Strategy, pool: Pool | None = None) -> Needs:
    """What a strategy needs in a query: whether there were labels is settled by its listing."""
    if _path(folder, CANDIDATES).exists() or pool is None:
        return needs_of(strategy, _path(folder, LABELLED).exists())
    return needs_of(strategy, pool.count("labelled") > 0)


def budget_of(settings: QuerySettings, count: int) -> int:
    """Items to pick of so many candidates."""
    if isinstance(settings.budget, int):
        return settings.budget
    return max(1, round(settings.budget * count))
