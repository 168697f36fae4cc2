"""Writing items and labels as a manifest: whole, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from querist.core.errors import ConfigError
from querist.pool.errors import PoolExists
from querist.pool.index import Index
from querist.pool.items import Broken, Item
from querist.pool.labelling import DECIDE, LABEL, SKIP, Standing
from querist.pool.manifests.record import Record, Said
from querist.pool.manifests.registry import FORMATS, Target, format_named
from querist.pool.tally import LISTED
from querist.pool.where import Where
from querist.store.errors import storage_error
from querist.store.files import sync_file, sync_folder

_PAGE = 2000
Sized = Callable[[Record], Record]


class Exported(NamedTuple):
    """What an export wrote.

    Attributes:
        path: Where.
        format: Its name.
        items: How many items.
        left_out: Items that the format cannot hold, and why: the first 1,000.
        left_out_total: How many these are in all.
    """

    path: Path
    format: str
    items: int
    left_out: list[Broken]
    left_out_total: int


def records_of(index: Index, where: Where, sized: Sized) -> Iterator[Record]:
    """The records of items, in pages."""
    for rows in index.rows(where, _PAGE):
        standing = index.standing(rows.tolist())
        for item in index.fetch(rows):
            yield sized(record_of(item, standing.get(item.row, {})))


def record_of(item: Item, standing: Standing) -> Record:
    """An item as a record, with what annotators say of it; a decision comes last."""
    said = tuple(
        Said(json.loads(value or "null"), by, kind == SKIP)
        for by, (kind, value) in sorted(standing.items(), key=lambda one: one[1][0] == DECIDE)
        if kind in (LABEL, SKIP, DECIDE)
    )
    return Record(
        item.row,
        item.uri,
        item.id,
        item.inline,
        item.metadata,
        item.group,
        said,
        item.size,
        item.version,
        item.label,
        item.state,
    )


def write(target: Target, format: str) -> Exported:
    """Write a manifest at ``target.path``, replacing what is there only when all is written.

    Raises:
        ConfigError: For an unknown format, or one that cannot hold labels of the task.
        StoreFull, StoreFailed: If it cannot be written; what was there stays.
    """
    chosen = format_named(format)
    if chosen.tasks and target.task not in chosen.tasks:
        fit = [
            name for name, one in FORMATS.items() if target.task in (one.tasks or (target.task,))
        ]
        raise ConfigError(
            f"{format} holds labels of the task {' or '.join(chosen.tasks)}, and this pool's is "
            f"{target.task}. These can hold them: {', '.join(fit)}."
        )
    counted = _Counted(target)
    left_out: list[Broken] = []
    total = 0
    with _draft(target.path, chosen.folder) as draft:
        for broken in chosen.write(replace(target, path=draft, records=counted.records)):
            total += 1
            if len(left_out) < LISTED:
                left_out.append(broken)
    return Exported(target.path, format, counted.number - total, left_out, total)


class _Counted:
    """Counts the records of the last time that they are gone through."""

    def __init__(self, target: Target) -> None:
        self._target, self.number = target, 0

    def records(self) -> Iterator[Record]:
        self.number = 0
        for record in self._target.records():
            self.number += 1
            yield record


@contextmanager
def _draft(path: Path, folder: bool) -> Iterator[Path]:
    """A hidden file or folder that takes the place of ``path`` at the end, or disappears."""
    if path.is_dir() and not path.is_symlink() and not (folder and _is_ours(path)):
        raise PoolExists(f"{path} is a folder; name a new one, or a file.")
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if folder:
            draft.mkdir()
        yield draft
        _settle(draft, path)
    except OSError as error:
        raise storage_error(error, path, f"writing {path.name}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _is_ours(folder: Path) -> bool:
    """Whether a folder is empty, or one that an export may replace."""
    names = set(os.listdir(folder))
    return not names or "items.jsonl" in names or {"state.json", "dataset_info.json"} <= names


def _settle(draft: Path, path: Path) -> None:
    if draft.is_file():
        with draft.open("rb") as file:
            sync_file(file.fileno())
        draft.replace(path)
    else:
        old = path.with_name(f"{draft.name}.old")
        if path.is_dir():
            path.rename(old)
        draft.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    sync_folder(path.parent)
