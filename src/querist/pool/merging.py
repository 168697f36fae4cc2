"""Bringing a batch of records into the index: which are new, changed, the same, or not wanted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from querist.pool import columns, contents
from querist.pool.fitting import Fit, Unfit, fitted
from querist.pool.items import URI, Broken, encoded
from querist.pool.manifests.record import Record
from querist.pool.roots import Roots
from querist.pool.settings import PoolSettings
from querist.pool.speaking import Statements
from querist.pool.tally import Tally

_COLUMNS = "row, key, id, root, path, size, version, seen, kind, grp, metadata, inline"
_INSERT = (
    f"INSERT INTO items ({_COLUMNS}, content, fresh, state, stale) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)"
)
# Of sources that tell no version, an item of another size, or elsewhere, is another one.
_SAME = "version = :version AND key = :key AND coalesce(size = :size, 1)"
_UPDATE = (
    "UPDATE items SET key = :key, id = :id, root = :root, path = :path, size = :size, "
    "seen = :seen, kind = :kind, grp = :group, metadata = :metadata, inline = :inline, "
    "stale = stale OR ((version != :version OR coalesce(size != :size, 0)) "
    "AND content IS NULL AND label IS NOT NULL), "
    f"fresh = fresh AND {_SAME}, version = :version WHERE row = :row"
)


class Held(NamedTuple):
    """What the index has of an item; the columns of ``_COLUMNS``."""

    row: int
    key: bytes
    id: str | None
    root: int
    path: str
    size: int | None
    version: str
    seen: int
    kind: int
    group: str | None
    metadata: str | None
    inline: str | None


class Merger:
    """Merges batches of one ``add`` into the index.

    Args:
        settings: The pool's.
        tally: What counts.
        number: Of this ``add``: items met before in the same one are told by it.
    """

    def __init__(self, settings: PoolSettings, tally: Tally, number: int) -> None:
        self._settings, self._tally, self._number = settings, tally, number

    def merge(
        self, connection: sqlite3.Connection, roots: Roots, records: Sequence[Record], where: str
    ) -> None:
        """Bring records in, within a transaction; what cannot be is counted as broken."""
        fits = []
        for one in records:
            try:
                fits.append(fitted(one, roots))
            except Unfit as reason:
                self._tally.break_on(Broken(where, one.line, str(reason)))
        batch = _Batch(connection, self._number, fits)
        statements = Statements(self._settings, self._tally, where)
        for fit in fits:
            try:
                row = self._take(batch, fit)
            except Unfit as reason:
                self._tally.break_on(Broken(where, fit.record.line, str(reason)))
                continue
            if row is not None:
                statements.take(row, fit.record)
        batch.write()
        columns.learn(
            connection, (one.inline for one in records if isinstance(one.inline, Mapping))
        )
        statements.record(connection)
        noted = contents.note(connection, batch.changed_contents, batch.new_contents)
        copies = min(noted.duplicates, batch.new)
        self._tally.count("new", batch.new - copies)
        self._tally.count("duplicates", copies)

    def _take(self, batch: _Batch, fit: Fit) -> int | None:
        if batch.is_forgotten(fit):
            self._tally.count("forgotten")
            return None
        held = batch.held(fit)
        if held is None:
            return batch.insert(fit)
        after = _updated(held, fit)
        if held.seen == self._number:
            if held.inline != fit.inline:
                raise Unfit(f"the id {fit.id!r} stands here twice, with different data")
            self._tally.count("duplicates")
        else:
            self._tally.count("unchanged" if after == held else "changed")
        if after != held:
            batch.update(after, fit)
        return held.row


def _updated(held: Held, fit: Fit) -> Held:
    """The item as a record has it; what the record does not say stays."""
    one, place = fit.record, fit.place
    version = one.version or held.version
    metadata = held.metadata
    if fit.metadata is not None and fit.metadata != metadata:
        metadata = encoded(json.loads(metadata or "{}") | dict(one.metadata))
    return held._replace(
        key=place.key,
        root=place.root,
        path=place.path,
        size=one.size if one.size is not None or version != held.version else held.size,
        version=version,
        kind=fit.kind,
        group=one.group or held.group,
        metadata=metadata,
        inline=fit.inline,
    )


class _Batch:
    """The items that a batch of records speaks of, and what becomes of them."""

    def __init__(self, connection: sqlite3.Connection, number: int, fits: Sequence[Fit]) -> None:
        self._connection, self._number = connection, number
        self._by_key = {held.key: held for held in self._found("key", [f.place.key for f in fits])}
        own = [fit.id for fit in fits if fit.id is not None]
        self._by_id = {held.id: held for held in self._found("id", own)}
        self._forgotten = self._tombstones(fits)
        self._next = self._last_row() + 1
        self._inserts: dict[int, Held] = {}
        self._updates: dict[int, Held] = {}
        self._contents: dict[int, bytes] = {}

    @property
    def new(self) -> int:
        """How many items are new."""
        return len(self._inserts)

    @property
    def new_contents(self) -> list[bytes]:
        """Digests of new items that are inline, which are inserted with them."""
        return [content for row, content in self._contents.items() if row in self._inserts]

    @property
    def changed_contents(self) -> dict[int, bytes]:
        """Digests of inline items that were there before, by row."""
        return {row: one for row, one in self._contents.items() if row not in self._inserts}

    def _found(self, column: str, values: Iterable[Any]) -> Iterable[Held]:
        wanted = list(dict.fromkeys(values))
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM items WHERE {column} IN ({marks})", part
            )
            yield from (Held(*values) for values in rows)

    def _tombstones(self, fits: Sequence[Fit]) -> set[bytes]:
        """Keys of this batch that the pool was told to forget, by key or by id."""
        if self._connection.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone() is None:
            return set()
        query = "SELECT 1 FROM tombstones WHERE id = ? OR key = ?"
        return {
            fit.place.key
            for fit in fits
            if self._connection.execute(query, (_name(fit), fit.place.key)).fetchone()
        }

    def _last_row(self) -> int:
        found = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'items'")
        return int((found.fetchone() or (0,))[0])

    def is_forgotten(self, fit: Fit) -> bool:
        """Whether a record is of an item that the pool was told to forget."""
        return fit.place.key in self._forgotten

    def held(self, fit: Fit) -> Held | None:
        """The item that a record is of, by place or by id; None for a new one.

        Raises:
            Unfit: If its id and its place are of different items.
        """
        here = self._by_key.get(fit.place.key)
        named = self._by_id.get(fit.id) if fit.id is not None else None
        if named is None or named.key == fit.place.key:
            return here
        if named.seen == self._number:
            raise Unfit(f"the id {fit.id!r} stands here twice, with different URIs or data")
        if here is not None:
            other = here.id or here.key.hex()
            raise Unfit(f"the URI of id {fit.id!r} is that of another item, {other!r}")
        return named

    def insert(self, fit: Fit) -> int:
        """Note a new item; returns its row."""
        row, one, place = self._next, fit.record, fit.place
        self._next += 1
        self._keep(
            self._inserts,
            Held(
                row,
                place.key,
                fit.id,
                place.root,
                place.path,
                one.size,
                one.version,
                self._number,
                fit.kind,
                one.group or None,
                fit.metadata,
                fit.inline,
            ),
            fit,
        )
        return row

    def update(self, after: Held, fit: Fit) -> None:
        """Note a changed item."""
        after = after._replace(seen=self._number)
        self._keep(self._inserts if after.row in self._inserts else self._updates, after, fit)

    def _keep(self, where: dict[int, Held], held: Held, fit: Fit) -> None:
        where[held.row] = held
        self._by_key[held.key] = held
        if held.id is not None:
            self._by_id[held.id] = held
        if fit.kind != URI and fit.content is not None:
            self._contents[held.row] = fit.content

    def write(self) -> None:
        """Write what became of the items."""
        known = self._contents
        inserts = ((*held, known.get(row), row in known) for row, held in self._inserts.items())
        self._connection.executemany(_INSERT, inserts)
        self._connection.executemany(_UPDATE, [one._asdict() for one in self._updates.values()])


def _name(fit: Fit) -> str:
    return fit.id or fit.place.key.hex()
