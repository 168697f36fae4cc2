"""CSV (``.csv``) and tab-separated values (``.tsv``), with a header.

In the many countries where commas are decimal points, spreadsheets write CSV with semicolons. So
where no comma is in a header, another mark that is there separates values.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple, TextIO

from querist.core.errors import ConfigError
from querist.pool.items import Broken
from querist.pool.manifests.cells import write_cell
from querist.pool.manifests.file import LONGEST_LINE, Manifest
from querist.pool.manifests.record import Record
from querist.pool.manifests.rows import Columns, metadata_column, row_of


class Dialect(NamedTuple):
    """How a file is written: for which task, and what separates values."""

    task: str
    delimiter: str


_FIXED = ("id", "uri", "text", "table", "group", "label", "state", "said")
_MOST_COLUMNS = 1000
_MARKS = (",", ";", "\t", "|")


def read(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records of a CSV file, and the lines that are none."""
    return _read(manifest, _MARKS)


def read_tabs(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records of a file of tab-separated values, and the lines that are none."""
    return _read(manifest, ("\t",))


def _read(manifest: Manifest, marks: tuple[str, ...]) -> Iterator[Record | Broken]:
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
    # Bytes that are no UTF-8 are kept so that only their own line is broken.
    with io.TextIOWrapper(
        manifest.open(), "utf-8-sig", errors="surrogateescape", newline=""
    ) as text:
        first = text.readline()
        reader = csv.reader(
            chain([first] if first else [], text), delimiter=_mark(first, marks), strict=True
        )
        header = next(_rows(reader), None)
        if not isinstance(header, list):
            return
        _require_names(manifest.uri, header)
        columns = Columns(tuple(header), manifest.options.columns, True, manifest.task)
        for row in _rows(reader):
            if row:
                yield _record(manifest, columns, header, row, reader.line_num)


def _mark(header: str, marks: tuple[str, ...]) -> str:
    """The first mark that separates names of a header; the first of all where none does."""
    try:
        return next(mark for mark in marks if len(next(csv.reader([header], delimiter=mark))) > 1)
    except (StopIteration, csv.Error):
        return marks[0]


def _require_names(uri: str, header: list[str]) -> None:
    """Raise ConfigError for a header that cannot be one."""
    if any("\udc80" <= character <= "\udcff" for name in header for character in name):
        raise ConfigError(f"{uri} is not a text file in UTF-8; save it as such.")
    twice = [name for number, name in enumerate(header) if name in header[:number]]
    if twice:
        raise ConfigError(f"The header of {uri} names {twice[0]!r} twice.")


def _rows(reader: Any) -> Iterator[list[str] | csv.Error]:
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield error


def _record(
    manifest: Manifest, columns: Columns, header: list[str], row: list[str] | csv.Error, line: int
) -> Record | Broken:
    if isinstance(row, csv.Error):
        return Broken(manifest.uri, line, f"no CSV: {row}")
    if len(row) != len(header):
        return Broken(
            manifest.uri, line, f"it has {len(row)} values, and the header {len(header)} names"
        )
    try:
        return columns.record(line, dict(zip(header, row, strict=True)))
    except ValueError as error:
        return Broken(manifest.uri, line, str(error))


def header_of(records: Iterable[Record]) -> list[str]:
    """The columns that records need; one for all metadata where their names are too many."""
    names: dict[str, None] = {}
    for record in records:
        if len(names) <= _MOST_COLUMNS:
            names.update(dict.fromkeys(record.metadata))
    if len(names) > _MOST_COLUMNS:
        return [*_FIXED, "metadata"]
    return [*_FIXED, *(metadata_column(name) for name in names)]


def write(file: TextIO, header: list[str], records: Iterable[Record], dialect: Dialect) -> None:
    """Write a header and records."""
    writer = csv.DictWriter(
        file,
        header,
        restval="",
        delimiter=dialect.delimiter,
        lineterminator="\r\n",
        extrasaction="raise",
    )
    writer.writeheader()
    for record in records:
        row = row_of(record)
        if dialect.task != "classification" and "label" in row:
            row["label"] = write_cell(row["label"])
        writer.writerow(_cells(row, "metadata" in header))


def _cells(row: dict[str, Any], one_column: bool) -> Mapping[str, str]:
    metadata = row.pop("metadata", {})
    cells = {
        name: value if isinstance(value, str) else write_cell(value) for name, value in row.items()
    }
    if one_column:
        return cells | ({"metadata": write_cell(metadata)} if metadata else {})
    return cells | {metadata_column(n): write_cell(v) for n, v in metadata.items()}
