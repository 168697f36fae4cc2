"""Small pictures and first words of items, for lists of thousands; the last are kept in memory.

On disk they would have to be found and erased when an item is forgotten; here one line does it.
"""

from __future__ import annotations

import codecs
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from querist.service.media import sound_of
from querist.service.problems import Refused
from querist.sources.transforms.contract import BadItem
from querist.sources.transforms.image import thumbnail

CHARACTERS = 400
_KEPT_BYTES = 64 << 20
_AT_ONCE = 2  # images that are unpacked: each may need some hundred megabytes


class Made(NamedTuple):
    """A thumbnail: its bytes and media type."""

    content: bytes
    media_type: str


class Key(NamedTuple):
    """What a thumbnail is of: its pool and item, the version of its bytes, and its size."""

    pool: str
    item: str
    version: str
    side: int


class Thumbnails:
    """The thumbnails that were asked for last.

    Args:
        most: Bytes that are kept.
    """

    def __init__(self, most: int = _KEPT_BYTES) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[Key, Made] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def of(self, key: Key, read: Callable[[], bytes], max_pixels: int) -> Made:
        """The thumbnail of an item.

        Args:
            key: Of what.
            read: Gives the item's bytes, where they are needed.
            max_pixels: Of a picture; 0 for an item that is a text.

        Raises:
            Refused: If it cannot be read, or is neither a picture nor text.
        """
        return self._once(key, lambda: self._made(key.side, read(), max_pixels))

    def drop(self, pool: str, items: Iterable[str]) -> None:
        """Forget those of some items."""
        gone = set(items)
        with self._lock:
            for key in [one for one in self._kept if one.pool == pool and one.item in gone]:
                self._bytes -= _weight(self._kept.pop(key))

    def _once(self, key: Key, make: Callable[[], Made]) -> Made:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += _weight(made) - (_weight(before) if before else 0)
            self._kept[key] = made
            while self._bytes > self._most:
                self._bytes -= _weight(self._kept.popitem(last=False)[1])
        return made

    def _made(self, side: int, data: bytes, max_pixels: int) -> Made:
        why = ""
        if max_pixels:
            try:
                with self._turns:
                    return Made(*thumbnail(data, side, max_pixels))
            except BadItem as error:
                why = str(error)
        sound = sound_of(data)
        words = f"Sound ({sound.partition('/')[2]})" if sound else _words(data)
        if words is None:
            raise Refused("conflict", f"The item is neither a picture nor text. {why}")
        return Made(words.encode(), "text/plain; charset=utf-8")


def row_words(row: Mapping[str, Any]) -> bytes:
    """A row of a table as people read it: a line a column, in the row's order."""
    lines = (f"{name}: {value}" for name, value in row.items() if value not in (None, ""))
    return "\n".join(lines).encode(errors="replace")


def _words(data: bytes) -> str | None:
    """The first characters of a text; None of what is none."""
    first = data[: 4 * CHARACTERS]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(first, final=first == data)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text[:CHARACTERS]


def _weight(made: Made) -> int:
    return len(made.content) + 512  # and what holds it
