"""Records from Python values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from querist.core.errors import ConfigError
from querist.pool.frames import frame_of, records_of
from querist.pool.items import Broken
from querist.pool.manifests.record import NOTHING, Record, Said
from querist.pool.roots import canonical
from querist.sources.nearest import nearest
from querist.sources.source import SourceError

Items: TypeAlias = "str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]] | Any"
"""Texts, mappings, or a data frame."""

_KEYS = ("uri", "text", "table", "id", "metadata", "group", "label", "by")


def records_in(given: Items, task: str) -> Iterator[Record | Broken]:
    """Records of a text, a mapping, several of them, or of a data frame's rows."""
    frame = frame_of(given)
    if frame is not None:
        yield from records_of(frame, task)
        return
    items = [given] if isinstance(given, str | Mapping) else given
    if not isinstance(items, Iterable):
        raise ConfigError(f"Items are texts, mappings or the rows of a frame; got {given!r:.80}.")
    yield from (record_of(number, item) for number, item in enumerate(items, 1))


def record_of(number: int, item: str | Mapping[str, Any]) -> Record | Broken:
    """A record from a text or a mapping, or why it is none."""
    if isinstance(item, str):
        return Record(number, inline=item)
    try:
        return _record(number, item)
    except (TypeError, ValueError, SourceError) as error:
        return Broken("items", number, str(error))


def _record(number: int, item: Mapping[str, Any]) -> Record:
    if not isinstance(item, Mapping):
        raise TypeError(f"an item is a text or a mapping, got {item!r:.200}")
    for name in item:
        if name not in _KEYS:
            raise ValueError(
                f"an item has no key {name!r}.{nearest(str(name), _KEYS)} Known: {', '.join(_KEYS)}"
            )
    text, table = item.get("text"), item.get("table")
    if text is not None and table is not None:
        raise ValueError("an item has either a text or a table's row, and not both")
    if not isinstance(text, str | None):
        raise TypeError(f"the text is {text!r:.100}, not a text; columns are rows of a data frame")
    metadata = item.get("metadata") or NOTHING
    if not isinstance(metadata, Mapping) or not isinstance(table or {}, Mapping):
        raise TypeError("metadata and a table's row are mappings")
    said = (Said(item["label"], str(item.get("by", ""))),) if item.get("label") is not None else ()
    for name in ("id", "group", "by"):
        if not isinstance(item.get(name, ""), (str, int, type(None))):
            raise TypeError(f"{name} should be a text, got {item[name]!r:.100}")
    uri = item.get("uri")
    return Record(
        number,
        canonical(str(uri)) if uri is not None else "",
        str(item.get("id") or ""),
        text if text is not None else table,
        metadata,
        str(item.get("group") or ""),
        said,
    )
