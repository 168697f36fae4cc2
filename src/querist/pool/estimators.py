"""Fitted scikit-learn estimators as the model of a query, shown what they were fitted to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from querist.core.errors import ConfigError
from querist.models.backends.skops import require_fitted
from querist.models.inferring import Feeds, Inference
from querist.models.loaders.sklearn import of_estimator
from querist.pool.guessing import guess_transform
from querist.pool.pool import Pool
from querist.sources.transforms.opening import open_transform
from querist.sources.transforms.table import Category, Table

Prepare = Callable[[Any], Feeds]


def is_estimator(thing: Any) -> bool:
    """Whether it is an estimator, by what it can do."""
    return all(hasattr(thing, name) for name in ("get_params", "fit", "predict"))


def of_pool(estimator: Any, pool: Pool, threads: int) -> Inference:
    """An estimator that looks at a pool's items.

    Of a table it sees the values of the columns that it was fitted to, by their names, as they
    stand in the rows; whatever else it sees as the pool's transform makes it.

    Raises:
        ConfigError: If it is not fitted, or it cannot be told what it was fitted to.
    """
    require_fitted(estimator)
    transform = open_transform(guess_transform(pool))
    prepare = _rows(estimator, transform, pool) if isinstance(transform, Table) else None
    return of_estimator(estimator, threads, prepare, transform.digest)


def _rows(estimator: Any, table: Table, pool: Pool) -> Prepare | None:
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        _require_named(table, pool)
        return None
    missing = [str(name) for name in names if name not in table.columns]
    if missing:
        raise ConfigError(
            f"this estimator was fitted to the columns {', '.join(missing)}, which the pool's "
            f"transform does not show: it has {', '.join(table.columns)}."
        )
    if hasattr(estimator, "steps"):  # of a pipeline, which may tell columns apart
        frame = _frame()
        return lambda batch: {"x": frame(table.values(batch))[list(names)]}
    texts = [str(name) for name in names if isinstance(table.columns[name], Category)]
    if texts:
        raise ConfigError(
            f"this estimator was fitted to numbers, but {', '.join(texts)} of the pool are texts."
        )
    return lambda batch: {"x": _matrix(table, batch, list(names))}


def _frame() -> Any:
    """What makes a data frame: of the library that the estimator's caller has, and used."""
    for library in ("pandas", "polars"):
        if library in sys.modules:
            return sys.modules[library].DataFrame
    raise ConfigError("a pipeline that was fitted to a data frame is shown one; import pandas.")


def _matrix(table: Table, batch: Any, names: list[str]) -> Any:
    values = table.values(batch)
    return np.stack([values[name] for name in names], axis=1)


def _require_named(table: Table, pool: Pool) -> None:
    """See that somebody said what the columns of an array are."""
    if "columns" not in pool.settings.transform:
        raise ConfigError(
            "this estimator was fitted to an array, whose columns have no names. Fit it to a data "
            f"frame with columns of {', '.join(table.columns)}, or say what it is shown: "
            'transform={"modality": "table", "columns": {"age": "number", ...}}.'
        )
