"""Adding to a pool: listings and records, in batches that each are a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple, Protocol, TypeVar

from querist.pool.database import Database
from querist.pool.items import Added, Broken
from querist.pool.label_import import LabelImporter
from querist.pool.manifests.file import Manifest, Options, is_relative
from querist.pool.manifests.record import Record
from querist.pool.manifests.registry import detect, format_named
from querist.pool.merging import Merger
from querist.pool.roots import Roots, as_folder, canonical
from querist.pool.settings import PoolSettings
from querist.pool.tally import Tally
from querist.sources.opening import Sources
from querist.sources.source import Entry, SourceError
from querist.sources.uris import scheme_of, shown

BATCH = 5000
LARGEST = 20_000
_SHARE = 100  # of a pool's items, above which a batch grows with the pool

Progress = Callable[[Added], None]
T = TypeVar("T")


class Merges(Protocol):
    """What brings a batch of records into the index, within a transaction."""

    def merge(
        self, connection: sqlite3.Connection, roots: Roots, records: Sequence[Record], where: str
    ) -> None:
        """Bring records in."""
        ...


class Adder:
    """One ``add``: brings listings and records into the index.

    Args:
        database: The pool's index.
        settings: The pool's.
        sources: What lists.
        limit: The share of broken entries at which it stops.
        progress: Told the counts after each batch.
    """

    def __init__(
        self,
        database: Database,
        settings: PoolSettings,
        sources: Sources,
        limit: float,
        progress: Progress | None,
    ) -> None:
        self._tally = Tally(limit)
        self._merger: Merges = Merger(settings, self._tally, _next_number(database))
        self._database, self._sources, self._settings = database, sources, settings
        self._progress = progress

    def only_labels(self, only: frozenset[int] | None = None) -> None:
        """From now on take labels for items that there are (of some rows), and add none."""
        self._merger = LabelImporter(self._settings, self._tally, only)

    @property
    def added(self) -> Added:
        """The counts so far."""
        return self._tally.added()

    def listing(self, uri: str, only_new: bool) -> None:
        """Add what a folder, prefix, pattern or single URI lists.

        An interrupted listing goes on where it stopped; ``only_new`` also begins where the last
        finished one ended.
        """
        uri = canonical(uri) if scheme_of(uri) in ("", "file") else uri
        after = self._begin(uri, only_new)
        own = as_folder(str(self._database.path.parent))
        entries = (
            entry
            for entry in self._sources.entries(uri, after)
            if not entry.uri.startswith(own)  # a pool may lie in the folder of its items
        )
        first = next(entries, None)
        if first is not None and first.uri != uri:
            self._cover(_listed_folder(uri, first.uri))
        rest: Iterable[Entry] = () if first is None else _again(first, entries)
        for batch in _batches(rest, self._size):
            records = [
                Record(0, entry.uri, size=entry.size, version=entry.version) for entry in batch
            ]
            self._write(records, shown(uri), Checkpoint(uri, batch[-1].uri))
        with self._database.writing() as connection:
            connection.execute("UPDATE listings SET finished = 1 WHERE uri = ?", (uri,))

    def manifest(self, uri: str, format: str, options: Options) -> None:
        """Add the items and labels of a manifest."""
        manifest = Manifest(canonical(uri), self._sources, self._settings.task, options)
        self.records(self._located(manifest, format), shown(manifest.uri))

    def detect(self, uri: str) -> str:
        """The format of the manifest at a URI; "" where it is none."""
        return detect(Manifest(canonical(uri), self._sources, self._settings.task))

    def _located(self, manifest: Manifest, format: str) -> Iterator[Record | Broken]:
        """A manifest's records, with canonical URIs, looked at where they are local."""
        covered = False
        for record in format_named(format).read(manifest):
            if isinstance(record, Broken):
                yield record._replace(where=shown(record.where))
                continue
            if not covered and record.uri and is_relative(record.uri):
                self._cover(manifest.folder)
                covered = True
            try:
                yield self._looked_at(manifest.located(record), manifest.options.look)
            except SourceError as error:
                yield Broken(shown(manifest.uri), record.line, str(error))

    def _looked_at(self, record: Record, look: bool) -> Record:
        if not look or scheme_of(record.uri) != "file":
            return record
        entry = self._sources.stat(record.uri)
        return record._replace(size=entry.size, version=entry.version)

    def _cover(self, folder: str) -> None:
        with self._database.writing() as connection:
            Roots().cover(connection, as_folder(folder))

    def records(self, records: Iterable[Record | Broken], where: str) -> None:
        """Add records."""
        for batch in _batches(records, self._size):
            good = [one for one in batch if isinstance(one, Record)]
            for one in batch:
                if isinstance(one, Broken):
                    self._tally.break_on(one)
            self._write(good, where, None)

    def values(self, records: Iterable[Record | Broken]) -> None:
        """Add records that were made of Python's values; nobody looks at a list of those broken."""
        self.records(records, "items")
        self._tally.judge(few=True)

    def _size(self) -> int:
        """Of a batch. In a large pool each writes most pages of the indexes over digests anew."""
        with self._database.reading() as connection:
            (last,) = connection.execute("SELECT coalesce(max(row), 0) FROM items").fetchone()
        return max(BATCH, min(LARGEST, int(last) // _SHARE))

    def _begin(self, uri: str, only_new: bool) -> str:
        """The URI after which a listing begins; "" for its start."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT after, finished FROM listings WHERE uri = ?", (uri,)
            ).fetchone()
        if found is None:
            return ""
        after, finished = found
        return str(after) if only_new or not finished else ""

    def _write(self, records: list[Record], where: str, checkpoint: Checkpoint | None) -> None:
        with self._database.writing() as connection:
            roots = Roots()
            roots.refresh(connection)
            self._merger.merge(connection, roots, records, where)
            if checkpoint is not None:
                connection.execute("REPLACE INTO listings VALUES (?, ?, 0)", checkpoint)
        if self._progress is not None:
            self._progress(self.added)
        self._tally.judge()


class Checkpoint(NamedTuple):
    """How far a listing has come."""

    uri: str
    after: str


def _next_number(database: Database) -> int:
    with database.writing() as connection:
        connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'adds'")
        found = connection.execute("SELECT value FROM meta WHERE name = 'adds'").fetchone()
    return int(found[0])


def _listed_folder(uri: str, first: str) -> str:
    """What was listed: the URI itself, or the folder of a pattern, above what differs in it."""
    if first.startswith(as_folder(uri)):
        return uri
    pairs = zip(uri.split("/"), first.split("/"), strict=False)
    return "/".join(part for part, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _again(first: Entry, rest: Iterator[Entry]) -> Iterator[Entry]:
    yield first
    yield from rest


def _batches(things: Iterable[T], size: Callable[[], int]) -> Iterator[list[T]]:
    iterator = iter(things)
    while batch := list(islice(iterator, size())):
        yield batch
