"""JSON Lines (``.jsonl``, ``.ndjson``): an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from querist.pool.items import Broken, encoded
from querist.pool.manifests.file import Manifest
from querist.pool.manifests.record import Record
from querist.pool.manifests.rows import Columns, row_of


def objects(manifest: Manifest) -> Iterator[tuple[int, dict[str, Any]] | Broken]:
    """The objects, with their lines; empty lines are passed over."""
    for number, line in manifest.lines():
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Broken(manifest.uri, number, f"no JSON: {error}")
            continue
        if isinstance(found, dict):
            yield number, found
        else:
            yield Broken(manifest.uri, number, f"not an object but {found!r:.100}")


def read(manifest: Manifest) -> Iterator[Record | Broken]:
    """Records, and the lines that are none."""
    known: dict[tuple[str, ...], Columns] = {}
    for found in objects(manifest):
        if isinstance(found, Broken):
            yield found
            continue
        line, row = found
        names = tuple(row)
        if names not in known:
            chosen = manifest.options.columns
            there = {role: column for role, column in chosen.items() if column in row}
            if len(known) > 1000:
                known.clear()
            known[names] = Columns(names, there or chosen, False, manifest.task)
        try:
            yield known[names].record(line, row)
        except ValueError as error:
            yield Broken(manifest.uri, line, str(error))


def write(file: TextIO, records: Iterable[Record]) -> None:
    """Write records."""
    for record in records:
        file.write(encoded(row_of(record)) + "\n")
