"""What every manifest is made of, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Said(NamedTuple):
    """What an annotator said of an item.

    Attributes:
        value: The label; [] where there was nothing to be found; the reason of a skip.
        by: The annotator, or "".
        skip: Whether the annotator passed the item over instead of labelling it.
    """

    value: Any
    by: str = ""
    skip: bool = False


class Record(NamedTuple):
    """One item of a manifest.

    Attributes:
        line: Where it stands, from 1: a line, or the record's number in formats without lines.
        uri: Absolute, or a path relative to the manifest's folder; "" for an inline item.
        id: The manifest's own name for it, or "".
        inline: A text or the row of a table, or None.
        metadata: What else the manifest says.
        group: What the item belongs together with, or "".
        said: What annotators said; nothing where the item is unlabelled.
        size: In bytes, where known.
        version: As of a source's entry, where known.
        label: When writing: the label that holds; None without one.
        state: When writing: the item's state.
    """

    line: int
    uri: str = ""
    id: str = ""
    inline: str | Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = NOTHING
    group: str = ""
    said: tuple[Said, ...] = ()
    size: int | None = None
    version: str = ""
    label: Any = None
    state: str = ""


class Unwritable(Exception):
    """A record that a format cannot hold; its text is the reason."""
