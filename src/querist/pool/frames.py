"""Data frames as records, a row an item: pandas, polars, Arrow tables, Hugging Face datasets.

None of these libraries is needed, or imported: a frame is known by what it can do. Its columns mean
what those of a CSV file do (:mod:`querist.pool.manifests.rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from querist.core.errors import ConfigError
from querist.pool.items import Broken
from querist.pool.manifests.arrow import row_reader
from querist.pool.manifests.record import Record
from querist.pool.roots import canonical
from querist.sources.source import SourceError

_ROWS = 2000  # that become Python's values at once
_MISSING = ("NAType", "NaTType")  # pandas' own; anything else that is missing is None or NaN


class Frame(NamedTuple):
    """Named columns, read by row.

    Attributes:
        names: Of the columns.
        rows: Name -> value.
        features: What a Hugging Face dataset says of its columns, else nothing.
    """

    names: tuple[str, ...]
    rows: Iterator[Mapping[str, Any]]
    features: Mapping[str, Any] = {}


def frame_of(given: Any) -> Frame | None:
    """What was given, where it is a frame.

    Raises:
        ConfigError: If two columns have one name, or these are several frames.
    """
    if isinstance(given, Mapping) and any(frame_of(one) for one in given.values()):
        raise ConfigError(f"These are frames by name ({', '.join(given)}); add them one by one.")
    if hasattr(given, "iloc") and hasattr(given, "columns"):
        return Frame(_names(given.columns), _of_pandas(given))
    if hasattr(given, "iter_rows") and hasattr(given, "columns"):
        return Frame(_names(given.columns), given.iter_rows(named=True))
    if hasattr(given, "to_batches") and hasattr(given, "column_names"):
        return Frame(_names(given.column_names), _of_batches(given.to_batches(_ROWS)))
    if hasattr(given, "with_format") and getattr(given, "features", None) is not None:
        batches = given.with_format("arrow").iter(_ROWS)
        return Frame(_names(given.features), _of_batches(batches), given.features.to_dict())
    return None


def records_of(frame: Frame, task: str) -> Iterator[Record | Broken]:
    """Records of a frame's rows; the numbers of its lines are those of its rows, from 1.

    Args:
        frame: What is read.
        task: The pool's.
    """
    read = row_reader(frame.names, {}, frame.features, task)
    for line, row in enumerate(frame.rows, 1):
        try:
            record = read(line, {name: _plain(value) for name, value in row.items()})
            yield record._replace(uri=canonical(record.uri)) if record.uri else record
        except (ValueError, TypeError, IndexError, SourceError) as error:
            yield Broken("the frame", line, str(error))


def _names(given: Any) -> tuple[str, ...]:
    names = tuple(map(str, given))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"A frame's columns need a name each; there are two of {twice}.")
    return names


def _of_pandas(frame: Any) -> Iterator[Mapping[str, Any]]:
    for start in range(0, len(frame), _ROWS):
        part = frame.iloc[start : start + _ROWS]
        yield from ({str(k): v for k, v in row.items()} for row in part.to_dict("records"))


def _of_batches(batches: Any) -> Iterator[Mapping[str, Any]]:
    for batch in batches:
        yield from batch.to_pylist()


def _plain(value: Any) -> Any:
    """Python's own for what frames hold: numbers of NumPy, dates, what is missing."""
    if type(value).__name__ in _MISSING:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Decimal):
        return float(value)
    return None if isinstance(value, float) and value != value else value
