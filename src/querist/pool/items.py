"""What a pool tells of its items."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from querist.pool import schema
from querist.pool.columns import ordered

URI, TEXT, TABLE = range(3)

COLUMNS = (
    "items.row, items.id, items.key, roots.uri, items.path, items.size, items.version, "
    "items.fresh, items.content, items.metadata, items.kind, items.inline, items.state, "
    "items.grp, items.label, items.stale"
)
TABLES = "items JOIN roots ON roots.root = items.root"

LOCATED = (
    "items.row, coalesce(items.id, lower(hex(items.key))), "
    f"CASE items.kind WHEN {URI} THEN roots.uri || items.path ELSE '' END, "
    "items.size, items.version, CAST(items.inline AS BLOB)"
)


class Item(NamedTuple):
    """One item of a pool.

    Attributes:
        row: Its number in this pool: never used again, not even after the item is forgotten.
        id: What people call it by: the manifest's own id, or one made from the URI.
        uri: Where its bytes are; "" for an inline item.
        size: In bytes; None where unknown.
        version: What the source said of its state at the last listing.
        content: Digest of its bytes (hexadecimal), once they were read in this version; else "".
        metadata: What the manifest said besides.
        inline: A text, a row of a table, or None for an item with a URI.
        state: unlabelled, labelled, empty (reviewed, and nothing found), skipped, disputed
            or duplicate (of an earlier item, and unlabelled).
        group: Name of what it belongs together with (the video of a frame), or "".
        label: The label that holds; None without one; [] where reviewed and empty.
        stale: Whether the item changed after it was labelled.
    """

    row: int
    id: str
    uri: str
    size: int | None
    version: str
    content: str
    metadata: Mapping[str, Any]
    inline: str | Mapping[str, Any] | None
    state: str
    group: str = ""
    label: Any = None
    stale: bool = False

    @property
    def data(self) -> bytes | None:
        """The bytes of an inline item as transforms take them (a table's row as JSON), or None."""
        if self.inline is None or isinstance(self.inline, str):
            return None if self.inline is None else self.inline.encode()
        return encoded(self.inline).encode()


class Located(NamedTuple):
    """What it takes to read and to name an item; the rest of an :class:`Item` takes twice as long.

    Attributes:
        row, id, uri, size, version: As an item has them.
        data: The bytes of an inline item as transforms take them; None for one with a URI.
    """

    row: int
    id: str
    uri: str
    size: int | None
    version: str
    data: bytes | None


class Broken(NamedTuple):
    """What could not be added or imported, and why.

    Attributes:
        where: The manifest or listing.
        line: In a manifest, from 1; of formats without lines the number of the record; 0 without.
        reason: A sentence.
    """

    where: str
    line: int
    reason: str


class Added(NamedTuple):
    """What an ``add`` did.

    Attributes:
        new: Items that the pool did not have.
        changed: Items that it had, whose place, version, text, metadata or group is now another.
        duplicates: Entries that are the same as an item met before, or that have its content.
        unchanged: Items that it had just so; of an import, records whose labels were understood.
        broken: What could not be added: the first 1,000.
        broken_total: How many these are in all.
        forgotten: Entries that were left out because the pool was told to forget them.
        labelled: Labels that were taken from manifests.
        unlabelled: Of an import, records without a label.
    """

    new: int = 0
    changed: int = 0
    duplicates: int = 0
    unchanged: int = 0
    broken: list[Broken] = []  # noqa: RUF012, a named tuple's default; never appended to
    broken_total: int = 0
    forgotten: int = 0
    labelled: int = 0
    unlabelled: int = 0


class Labelled(NamedTuple):
    """A label that holds.

    Attributes:
        row: The item's number.
        id: The item.
        value: As it was given; [] where the item was reviewed and is empty.
    """

    row: int
    id: str
    value: Any


class Event(NamedTuple):
    """One thing that was said of an item; events are never changed.

    Attributes:
        number: Grows with time over the whole pool.
        at: Seconds since 1970, UTC.
        annotator: Who said it; "" where nobody was named.
        kind: label, skip, withdraw (of what this annotator had said before), or decide (a label
            that holds, whatever annotators say).
        value: Of a label or decision; the reason of a skip; else None.
    """

    number: int
    at: float
    annotator: str
    kind: str
    value: Any


def encoded(value: Any) -> str:
    """JSON, the same text for the same value.

    Raises:
        ValueError, TypeError: If it is not JSON: NaN, half a surrogate pair, unknown types.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain)
    text.encode()
    return text


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays as Python's."""
    plain = getattr(value, "tolist", None)
    if plain is None:
        raise TypeError(f"{type(value).__name__} is not JSON")
    return plain()


def item_of(found: tuple[Any, ...], columns: Sequence[str] = ()) -> Item:
    """From what ``COLUMNS`` of ``TABLES`` selects; a table's row in the order of its columns."""
    row, own, key, root, path, size, version, fresh, content, metadata, kind, inline = found[:12]
    state, group, label, stale = found[12:]
    return Item(
        row,
        own if own is not None else key.hex(),
        root + path if kind == URI else "",
        size,
        version,
        content.hex() if content is not None and fresh else "",
        {} if metadata is None else json.loads(metadata),
        inline_of(kind, inline, columns),
        schema.STATES[state],
        group or "",
        None if label is None else json.loads(label),
        bool(stale),
    )


def inline_of(
    kind: int, inline: str | None, columns: Sequence[str] = ()
) -> str | Mapping[str, Any] | None:
    """The inline data of an item, from how it is kept."""
    if inline is None or kind == TEXT:
        return inline
    return ordered(json.loads(inline), columns)


def in_order(
    found: Iterable[tuple[Any, ...]], rows: Iterable[int], columns: Sequence[str] = ()
) -> list[Item]:
    """Items in the order of ``rows``; those that are no longer there are left out."""
    items = {values[0]: item_of(values, columns) for values in found}
    return [items[row] for row in rows if row in items]
