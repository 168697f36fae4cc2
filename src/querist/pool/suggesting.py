"""What a model would say of a pool's items: people see it when they ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.pool.errors import PoolError
from querist.pool.pool import Pool
from querist.pool.rounds_features import Given, Tell, outputs_of, quiet
from querist.pool.suggested import Suggestion

# By task what is asked of the model.
ASKED = {
    "classification": "probabilities",
    "multi-label": "label_probabilities",
    "regression": "predictions",
}
_YES = 0.5


def suggest(
    pool: Pool, model: Mapping[str, Any], rows: Iterable[int], tell: Tell = quiet
) -> dict[int, Suggestion]:
    """What a model says of items, by row; those that cannot be read are left out.

    Args:
        pool: Of classes, several classes an item, or numbers.
        model: Its settings.
        rows: Of the items.
        tell: Called with the number of items that are done.

    Raises:
        PoolError: If the pool is of another task, or the model knows other classes.
        ConfigError: If the model cannot be used, or tells no such thing.
    """
    task = pool.settings.task
    if task not in ASKED:
        raise PoolError(f"Models suggest labels for {', '.join(ASKED)}, not for {task}.")
    wanted = np.fromiter(rows, np.int64)
    if not len(wanted):
        return {}
    given = outputs_of(pool, wanted, model, frozenset({ASKED[task]}), tell)
    values = given.outputs.get(ASKED[task])
    if values is None:  # nothing could be read
        return {}
    made = _numbers(values) if task == "regression" else _classes(pool, given, values)
    return dict(zip(given.rows.tolist(), made, strict=True))


def _numbers(values: NDArray[Any]) -> list[Suggestion]:
    flat = values.reshape(len(values), -1)
    if flat.shape[1] != 1:
        raise PoolError(f"An item has one number here, but the model gives {flat.shape[1]}.")
    return [Suggestion(float(one)) for one in flat[:, 0]]


def _classes(pool: Pool, given: Given, chances: NDArray[Any]) -> list[Suggestion]:
    names = given.classes or tuple(pool.classes)
    unknown = [name for name in names if name not in pool.classes]
    if len(names) != chances.shape[1] or unknown:
        told = f"such as {unknown[0]!r}" if unknown else f"{chances.shape[1]} of them"
        raise PoolError(f"The model knows other classes than the pool, {told}.")
    if pool.settings.task == "classification":
        best = chances.argmax(axis=1)
        sure = chances.max(axis=1)
        return [Suggestion(names[int(n)], float(p)) for n, p in zip(best, sure, strict=True)]
    chosen = chances >= _YES
    sure = np.where(chosen, chances, 1 - chances).min(axis=1)  # of the least certain class
    return [
        Suggestion([names[int(n)] for n in np.flatnonzero(row)], float(p))
        for row, p in zip(chosen, sure, strict=True)
    ]
