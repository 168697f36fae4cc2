"""CSV (``.csv``), a row a sample: scalars and short vectors, for spreadsheets and people.

A scalar is a column ``input.<name>`` or ``output.<name>``; a vector is one column a value,
``input.<name>_0``, ``input.<name>_1`` and so on. ``purpose`` and ``level`` are texts. Numbers are
written so that they come back exactly, but a text holds no dtypes: they are read as int64 or
float64, ``True`` and ``False`` as booleans, and all else as texts.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from itertools import chain, count, takewhile
from pathlib import Path

import numpy as np

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ConfigError
from querist.sources.formats.fields import Names, choose, labelled, named, replacing

LONGEST = 64  # values of a vector; more columns are no use to a person
_ASIDE = ("purpose", "level", "input.uri")
_FIRST = re.compile(r"(.+)_0")
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_TRUTHS = {"true": True, "false": False}


def read(path: Path, *, inputs: Names = None, outputs: Names = None) -> Dataset:
    """Read a file.

    Args:
        path: Of the file; columns are parted by commas.
        inputs: Which columns are inputs: names, or our name -> the file's; ``x`` stands for the
            columns ``x_0``, ``x_1`` and so on.
        outputs: Which are outputs, likewise.

    Raises:
        ConfigError: If it cannot be read, or a column is missing.
    """
    columns = _columns(path)
    vectors = _vectors(columns)
    parts = {part for names in vectors.values() for part in names}
    hidden = {*_ASIDE, *parts} - {*named(inputs).values(), *named(outputs).values()}
    chosen = choose(path, {*columns, *vectors} - hidden, inputs, outputs)
    fields = [
        {our: _field(columns, vectors.get(key, key)) for our, key in part.items()}
        for part in chosen
    ]
    uris = columns.get("input.uri", ())
    batch = Batch(fields[0], uris=tuple(uri or None for uri in uris) if uris else None)
    purposes, levels = (columns.get(name, ()) for name in ("purpose", "level"))
    return labelled(path, batch, Batch(fields[1]), purposes, levels)


def write(path: Path, dataset: Dataset) -> None:
    """Write a file.

    Raises:
        ConfigError: If a field is no scalar and no short vector of one length.
    """
    columns: dict[str, Sequence[object]] = {}
    for prefix, batch in (("input", dataset.inputs), ("output", dataset.outputs)):
        for name, column in batch.columns.items():
            columns |= _cells(f"{prefix}.{name}", column)
    if dataset.inputs.uris is not None:
        columns["input.uri"] = [uri or "" for uri in dataset.inputs.uris]
    columns |= {"purpose": dataset.purposes, "level": dataset.levels}
    with replacing(path) as hidden, hidden.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _cells(name: str, column: Column) -> dict[str, list[object]]:
    """The columns of a field, by name."""
    kind = column.data.dtype
    if kind.kind not in "biufU" or (kind.itemsize > 8 and kind.kind == "f"):
        raise ConfigError(f"CSV cannot hold {name!r} of dtype {kind}; write npz.")
    if not column.is_uniform:
        raise ConfigError(
            f"CSV holds scalars and vectors of one length, but {name!r} differs in shape from "
            "sample to sample; write npz or parquet."
        )
    shape = column.uniform.shape[1:]
    if not shape:
        return {name: column.uniform.tolist()}
    if len(shape) > 1 or not 0 < shape[0] <= LONGEST:
        raise ConfigError(
            f"CSV holds scalars and vectors of at most {LONGEST} values, but {name!r} has the "
            f"shape {shape}; write npz or parquet."
        )
    return {f"{name}_{place}": part.tolist() for place, part in enumerate(column.uniform.T)}


def _columns(path: Path) -> dict[str, list[str]]:
    """The texts of a file, by column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = next(reader, [])
            rows = [_row(path, reader.line_num, row, head) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read as CSV ({error}).") from error
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise ConfigError(f"{path} cannot be read as CSV: its header names {twice!r} twice.")
    return {name: [row[place] for row in rows] for place, name in enumerate(head)}


def _row(path: Path, line: int, row: list[str], head: Sequence[str]) -> list[str]:
    if len(row) != len(head):
        raise ConfigError(
            f"{path} cannot be read as CSV: line {line} has {len(row)} values, and the header "
            f"{len(head)} names."
        )
    return row


def _vectors(columns: Mapping[str, object]) -> dict[str, list[str]]:
    """The columns of each vector, by its name."""
    found = {}
    for name in columns:
        match = _FIRST.fullmatch(name)
        if match is not None and match[1] not in columns:
            parts = (f"{match[1]}_{place}" for place in count())
            found[match[1]] = list(takewhile(columns.__contains__, parts))
    return found


def _field(columns: Mapping[str, list[str]], names: str | list[str]) -> Column:
    """A scalar of one column, or a vector of several."""
    if isinstance(names, str):
        return Column.stack(_values(columns[names]))
    rows = zip(*(columns[name] for name in names), strict=True)
    return Column.stack(_values(list(chain.from_iterable(rows))).reshape(-1, len(names)))


def _values(texts: list[str]) -> Array:
    """What texts mean: booleans, whole numbers, numbers (a gap is NaN), or themselves."""
    if texts and all(text.lower() in _TRUTHS for text in texts):
        return np.array([_TRUTHS[text.lower()] for text in texts])
    if all(map(_WHOLE.fullmatch, texts)):
        return np.array(texts, np.int64)
    if not any(texts) or any("_" in text for text in texts):  # Python reads 1_000 as a number
        return np.array(texts, np.str_)
    try:
        return np.array([float(text or "nan") for text in texts])
    except ValueError:
        return np.array(texts, np.str_)
