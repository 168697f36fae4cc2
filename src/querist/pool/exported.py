"""Exports that a pool made: remembered by their paths, so that a forgotten item leaves them too."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from querist.core.errors import QueristError
from querist.pool.database import Database
from querist.pool.exporting import write
from querist.pool.items import Broken, encoded
from querist.pool.labelling import LABEL, SKIP, settled
from querist.pool.manifests.file import Manifest, Options
from querist.pool.manifests.record import Record
from querist.pool.manifests.registry import Target, format_named
from querist.pool.roots import canonical
from querist.pool.schema import STATES
from querist.sources.opening import Sources


def remember(database: Database, path: Path, format: str, about: Target) -> None:
    """Record that an export was made."""
    told = json.dumps([format, about.classes, about.modality])
    with database.writing() as connection:
        connection.execute(
            "REPLACE INTO exports VALUES (?, ?, ?, ?)", (str(path), told, digest(path), time.time())
        )


def digest(path: Path) -> str:
    """Of a file, or of all files of a folder with their names."""
    total = hashlib.blake2b(digest_size=16)
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file() and not file.is_symlink():
            total.update(str(file.relative_to(path.parent)).encode("utf-8", "surrogateescape"))
            with file.open("rb") as opened:
                total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()


def erase(database: Database, ids: Collection[str], task: str) -> list[tuple[Path, str]]:
    """Write exports that are as they were written anew, without some items.

    Returns:
        Those in which the items may still stand, and why.
    """
    with database.reading() as connection:
        found = connection.execute("SELECT path, format, digest FROM exports").fetchall()
    left = []
    for name, told, before in found:
        path = Path(name)
        format, classes, modality = json.loads(told)
        if not path.exists():
            continue
        if digest(path) != before:
            left.append((path, "it was changed since it was exported; remove the items yourself"))
            continue
        source = _Export(path, format, task, frozenset(ids))
        try:
            if source.concerned():
                target = Target(path, source.kept, task, tuple(classes), modality)
                write(target, format)
                remember(database, path, format, target)
        except QueristError as error:
            left.append((path, f"it cannot be written anew: {error}"))
    return left


@dataclass(frozen=True)
class _Export:
    path: Path
    format: str
    task: str
    ids: frozenset[str]

    def _records(self) -> Iterator[Record]:
        with Sources() as sources:
            options = Options(look=False)
            manifest = Manifest(canonical(str(self.path)), sources, self.task, options)
            for record in format_named(self.format).read(manifest):
                if not isinstance(record, Broken):
                    yield record

    def concerned(self) -> bool:
        """Whether any of the items stands in it."""
        return any(record.id in self.ids for record in self._records())

    def kept(self) -> Iterator[Record]:
        """All others, as they are to be written."""
        for record in self._records():
            if record.id not in self.ids:
                said = [(SKIP if one.skip else LABEL, encoded(one.value)) for one in record.said]
                state, label = settled(said, "latest")
                yield record._replace(
                    state=STATES[state], label=None if label is None else json.loads(label)
                )
