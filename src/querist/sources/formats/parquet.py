"""Parquet: one row a sample, one column a field, readable by pandas, Polars, DuckDB ...

A scalar is a plain column, a vector a list. An array of more axes is a flat list with its shape
beside it, in a column of the same name with ``.shape`` at its end. Inputs are named ``in/...``,
outputs ``out/...``; ``purpose`` and ``level`` have columns of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ShapeError, require
from querist.sources.formats.frames import ReadOptions, renamed

SHAPE = ".shape"


def read(path: Path, options: ReadOptions) -> Dataset:
    """Read a file written here, or with ``inputs`` and ``outputs`` any other.

    Raises:
        ShapeError: If inputs cannot be told from outputs, or a column is missing, holds nulls, or
            has a type that is no array of numbers, booleans or text.
        MissingExtra: If pyarrow is not installed.
    """
    table = require("pyarrow.parquet", "parquet", "Parquet").read_table(path)
    names = table.column_names
    inputs, outputs = (
        renamed(given)
        or {n.removeprefix(p): n for n in names if n.startswith(p) and not _shape(n, names)}
        for given, p in ((options.inputs, "in/"), (options.outputs, "out/"))
    )
    if not inputs or not outputs:
        raise ShapeError(f"{path}: give inputs= and outputs=; it has the columns {names}.")
    missing = sorted({*inputs.values(), *outputs.values()} - set(names))
    if missing:
        raise ShapeError(f"{path} has no column {missing[0]!r}; it has {names}.")
    return Dataset(
        Batch({n: _column(table, key) for n, key in inputs.items()}, None, _uris(table)),
        Batch({n: _column(table, key) for n, key in outputs.items()}),
        tuple(table["purpose"].to_pylist()) if "purpose" in names else (),
        tuple(table["level"].to_pylist()) if "level" in names else (),
        _version(table),
    )


def _shape(name: str, names: list[str]) -> bool:
    return name.endswith(SHAPE) and name.removesuffix(SHAPE) in names


def _version(table: Any) -> int:
    about = (table.schema.metadata or {}).get(b"querist")
    return int(json.loads(about)["version"]) if about else -1


def _uris(table: Any) -> tuple[str | None, ...] | None:
    return tuple(table["uri"].to_pylist()) if "uri" in table.column_names else None


def _column(table: Any, name: str) -> Column:
    held = table[name].combine_chunks()
    if held.null_count:
        raise ShapeError(f"the column {name!r} holds {held.null_count} nulls; drop those rows.")
    count = len(held)
    kind = str(held.type)
    if not kind.startswith(("list", "large_list", "fixed_size_list")):
        return Column.stack(_numbers(held, name), name) if count else _empty(0)
    values = held.flatten()
    lengths = np.asarray(held.value_lengths().to_numpy(zero_copy_only=False), np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    shapes = lengths[:, None]
    if f"{name}{SHAPE}" in table.column_names:
        beside = table[f"{name}{SHAPE}"].combine_chunks()
        shapes = np.asarray(beside.flatten().to_numpy(zero_copy_only=False), np.int64)
        shapes = shapes.reshape(count, -1)
    return Column(_numbers(values, name), offsets, shapes)


def _empty(axes: int) -> Column:
    return Column(np.zeros(0), np.zeros(1, np.int64), np.zeros((0, axes), np.int64))


def _numbers(values: Any, name: str) -> Array:
    if str(values.type) in ("string", "large_string"):
        return np.array(values.to_pylist(), np.str_)
    array = np.array(values.to_numpy(zero_copy_only=False))
    if array.dtype.hasobject or array.dtype.kind in "mM":
        raise ShapeError(
            f"the column {name!r} has the type {values.type}; only numbers, booleans, text and "
            "lists of these can be read."
        )
    return array


def write(path: Path, dataset: Dataset) -> None:
    """Write a file, compressed with zstd.

    Raises:
        ShapeError: If a field has a dtype that Parquet does not know (complex numbers ...).
        MissingExtra: If pyarrow is not installed.
    """
    arrow, parquet = (require(m, "parquet", "Parquet") for m in ("pyarrow", "pyarrow.parquet"))
    columns: dict[str, Any] = {}
    for prefix, batch in (("in/", dataset.inputs), ("out/", dataset.outputs)):
        for name, column in batch.columns.items():
            columns |= _arrow(arrow, f"{prefix}{name}", column)
    columns["purpose"] = arrow.array(dataset.purposes, arrow.string())
    columns["level"] = arrow.array(dataset.levels, arrow.string())
    if dataset.inputs.uris is not None:
        columns["uri"] = arrow.array(dataset.inputs.uris, arrow.string())
    table = arrow.table(columns)
    about = json.dumps({"format": 1, "version": dataset.version})
    parquet.write_table(table.replace_schema_metadata({"querist": about}), path, compression="zstd")


def _arrow(arrow: Any, name: str, column: Column) -> dict[str, Any]:
    try:
        values = arrow.array(column.data)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, arrow.ArrowTypeError) as error:
        raise ShapeError(
            f"Parquet cannot hold {name!r} of dtype {column.data.dtype} ({error}); write npz."
        ) from error
    axes = column.shapes.shape[1]
    if axes == 0:
        return {name: values}
    lists = arrow.LargeListArray.from_arrays(arrow.array(column.offsets), values)
    if axes == 1:
        return {name: lists}
    return {name: lists, f"{name}{SHAPE}": _shape_lists(arrow, column.shapes)}


def _shape_lists(arrow: Any, shapes: NDArray[np.int64]) -> Any:
    offsets = np.arange(len(shapes) + 1, dtype=np.int64) * shapes.shape[1]
    return arrow.LargeListArray.from_arrays(arrow.array(offsets), arrow.array(shapes.reshape(-1)))
