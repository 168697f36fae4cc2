"""Fitted scikit-learn estimators as the model of a query, shown what they were fitted to."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from querist.core.errors import ConfigError
from querist.models.backends.skops import require_fitted
from querist.models.inferring import Feeds, Inference
from querist.models.loaders.sklearn import of_estimator
from querist.pool.guessing import first_rows, guess_transform
from querist.pool.pool import Pool
from querist.sources.transforms.opening import open_transform
from querist.sources.transforms.row import Row
from querist.sources.transforms.table import Number, Table, read_number

Prepare = Callable[[Any], Feeds]


def is_estimator(thing: Any) -> bool:
    """Whether it is an estimator, by what it can do."""
    return all(hasattr(thing, name) for name in ("get_params", "fit", "predict"))


def of_pool(estimator: Any, pool: Pool, threads: int) -> Inference:
    """An estimator that looks at a pool's items.

    Of a table it sees a frame of the columns that it was fitted to, with the values that stand in
    the rows; whatever else it sees as the pool's transform makes it.

    Raises:
        ConfigError: If it is not fitted, or it cannot be told what it was fitted to.
    """
    if isinstance(estimator, type):
        name = estimator.__name__
        raise ConfigError(
            f"{name} is a class; give an estimator that was fitted: {name}().fit(...)."
        )
    require_fitted(estimator)
    transform = open_transform(guess_transform(pool))
    if not isinstance(transform, Table):
        return of_estimator(estimator, threads, None, transform.digest)
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        _require_named(transform, pool)
        return of_estimator(estimator, threads, None, transform.digest)
    columns = list(map(str, names))
    _require_there(columns, transform, pool)
    numbers = {name for name in columns if isinstance(transform.columns.get(name), Number)}
    row = Row()
    told = f"{row.digest} {sorted(numbers)}"
    return of_estimator(estimator, threads, _frames(columns, numbers), told, row)


def _frames(columns: list[str], numbers: set[str]) -> Prepare:
    """Makes frames of rows.

    Args:
        columns: In the estimator's order.
        numbers: Those of numbers, in which texts (of a CSV file) are such or stand for none.
    """
    frame = _library()

    def prepare(batch: Any) -> Feeds:
        rows = [json.loads(text) for text in batch]
        values = {
            name: [read_number(row.get(name)) if name in numbers else row.get(name) for row in rows]
            for name in columns
        }
        return {"x": frame(values)}

    return prepare


def _library() -> Any:
    """What makes a data frame: of the library that the estimator's caller has, and used."""
    for library in ("pandas", "polars"):
        if library in sys.modules:
            return sys.modules[library].DataFrame
    raise ConfigError("an estimator that was fitted to a data frame is shown one; import pandas.")


def _require_there(columns: list[str], table: Table, pool: Pool) -> None:
    """See that the pool's first rows have the columns."""
    known = dict.fromkeys([*table.columns, *(name for row in first_rows(pool) for name in row)])
    missing = [name for name in columns if name not in known]
    if missing:
        raise ConfigError(
            f"this estimator was fitted to the columns {', '.join(missing)}, which the pool's rows "
            f"do not have: they have {', '.join(known)}."
        )


def _require_named(table: Table, pool: Pool) -> None:
    """See that somebody said what the columns of an array are."""
    if "columns" not in pool.settings.transform:
        raise ConfigError(
            "this estimator was fitted to an array, whose columns have no names. Fit it to a data "
            f"frame with columns of {', '.join(table.columns)}, or say what it is shown: "
            'transform={"modality": "table", "columns": {"age": "number", ...}}.'
        )
