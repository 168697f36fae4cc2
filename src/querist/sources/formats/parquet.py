"""Apache Parquet (``.parquet``), a row a sample.

As written here, ``input.<name>`` and ``output.<name>`` hold numbers or texts, or lists of them: an
array in C order, whose shape is in the list ``<column>.shape``. ``purpose`` and ``level`` are
texts. Nested lists of other programs are read as arrays too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ConfigError, ShapeError, require
from querist.sources.formats.fields import Names, choose, labelled, replacing

_NEEDED_FOR = "reading and writing Parquet"
_SHAPE = ".shape"


def read(path: Path, *, inputs: Names = None, outputs: Names = None) -> Dataset:
    """Read a file.

    Args:
        path: Of the file.
        inputs: Which columns are inputs: names, or our name -> the file's.
        outputs: Which columns are outputs, likewise.

    Raises:
        ConfigError: If it cannot be read, or a column or value is missing or no array.
        MissingExtra: If pyarrow is not installed.
    """
    table = _table(path)
    names = set(table.column_names)
    shapes = {name for name in names if name.endswith(_SHAPE) and name[: -len(_SHAPE)] in names}
    chosen = choose(path, names - shapes - {"purpose", "level", "input.uri"}, inputs, outputs)
    made: list[dict[str, Column]] = [
        {our: _column(path, table, key) for our, key in part.items()} for part in chosen
    ]
    uris = _texts(table, "input.uri")
    batch = Batch(made[0], uris=tuple(uri or None for uri in uris) if uris else None)
    return labelled(path, batch, Batch(made[1]), _texts(table, "purpose"), _texts(table, "level"))


def write(path: Path, dataset: Dataset) -> None:
    """Write a file.

    Raises:
        ConfigError: If a field's dtype has no counterpart in Parquet.
        MissingExtra: If pyarrow is not installed.
    """
    arrow = require("pyarrow", "parquet", _NEEDED_FOR)
    parquet = require("pyarrow.parquet", "parquet", _NEEDED_FOR)
    columns: dict[str, Any] = {}
    for prefix, batch in (("input", dataset.inputs), ("output", dataset.outputs)):
        for name, column in batch.columns.items():
            columns |= _arrow_columns(arrow, f"{prefix}.{name}", column)
    if dataset.inputs.uris is not None:
        columns["input.uri"] = [uri or "" for uri in dataset.inputs.uris]
    columns |= {"purpose": list(dataset.purposes), "level": list(dataset.levels)}
    with replacing(path) as hidden:
        parquet.write_table(arrow.table(columns), hidden)


def _arrow_columns(arrow: Any, name: str, column: Column) -> Mapping[str, Any]:
    dtype = column.data.dtype
    if dtype.kind not in "biufU" or (dtype.itemsize > 8 and dtype.kind == "f"):
        raise ConfigError(f"Parquet cannot hold {name!r} of dtype {dtype}; write npz.")
    # Texts not from NumPy, whose fixed width would be kept as padding.
    values = arrow.array(column.data.tolist() if dtype.kind == "U" else column.data)
    if column.shapes.shape[1] == 0:
        return {name: values}
    lists = arrow.LargeListArray.from_arrays(column.offsets, values)
    return {name: lists, name + _SHAPE: arrow.array(column.shapes.tolist())}


def _table(path: Path) -> Any:
    arrow = require("pyarrow", "parquet", _NEEDED_FOR)
    parquet = require("pyarrow.parquet", "parquet", _NEEDED_FOR)
    try:
        return parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        raise ConfigError(f"{path} cannot be read as Parquet ({error}).") from error


def _texts(table: Any, name: str) -> list[str]:
    return [str(v or "") for v in table[name].to_pylist()] if name in table.column_names else []


def _column(path: Path, table: Any, name: str) -> Column:
    arrow = require("pyarrow", "parquet", _NEEDED_FOR)
    held = table[name].combine_chunks()
    if isinstance(held, arrow.ChunkedArray):  # a table without rows
        held = arrow.array([], held.type)
    values, depth = held, 0
    offsets = None
    while _is_list(arrow, values.type):
        _require_full(path, name, values)
        offsets = _offsets(values) if depth == 0 else offsets
        values, depth = values.flatten(), depth + 1
    _require_full(path, name, values)
    data = _numpy(path, name, values)
    if offsets is None:
        return Column.stack(data, name)
    try:
        if name + _SHAPE in table.column_names:
            return _shaped(name, data, offsets, table[name + _SHAPE].to_pylist())
        if depth == 1:
            return Column(data, offsets, np.diff(offsets)[:, None])
        return Column.of([np.array(row, data.dtype) for row in held.to_pylist()], name)
    except ValueError as error:  # ShapeError is one
        raise ConfigError(f"{path}: the lists in {name!r} are no arrays ({error}).") from error


def _is_list(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _offsets(values: Any) -> Any:
    lengths = values.value_lengths().to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _require_full(path: Path, name: str, values: Any) -> None:
    if values.null_count:
        raise ConfigError(f"{path}: {values.null_count} values of {name!r} are missing (null).")


def _numpy(path: Path, name: str, values: Any) -> Array:
    data: Array = values.to_numpy(zero_copy_only=False)
    if data.dtype.hasobject:
        if not all(isinstance(value, str) for value in data):
            raise ConfigError(f"{path}: {name!r} holds {values.type}, not numbers or texts.")
        data = data.astype(str) if len(data) else np.zeros(0, "U1")
    return data


def _shaped(name: str, data: Array, offsets: Any, shapes: list[Any]) -> Column:
    kept = np.array(shapes, np.int64).reshape(len(shapes), -1)
    if (kept < 0).any() or (kept.prod(axis=1) != np.diff(offsets)).any():
        raise ShapeError(f"{name + _SHAPE!r} does not fit")
    return Column(data, offsets, kept)
