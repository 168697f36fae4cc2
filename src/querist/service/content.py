"""The bytes of an item as a browser may show them: some kinds of pictures and sounds, and text."""

from __future__ import annotations

import codecs

from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.service.call import Content
from querist.service.media import picture_of, sound_of
from querist.service.problems import Refused
from querist.sources.source import SourceError

TEXT_BYTES = 100_000


def content_of(pool: Pool, item: Item, limit: int) -> Content:
    """What an item looks like. What it is, its bytes say, not its name.

    Raises:
        Refused: If it cannot be read, or is none of these.
    """
    return as_shown(bytes_of(pool, item, limit))


def as_shown(data: bytes) -> Content:
    """Bytes as a browser may show them.

    Raises:
        Refused: If they are none of these.
    """
    kind = picture_of(data) or sound_of(data)
    if kind:
        return Content(data, kind)
    try:
        # What is cut within a character is text all the same.
        decoder, whole = codecs.getincrementaldecoder("utf-8")(), len(data) <= TEXT_BYTES
        text = decoder.decode(data[:TEXT_BYTES], final=whole)
    except UnicodeDecodeError:
        said = "The item is neither a picture nor a sound that browsers know, nor text."
        raise Refused("conflict", said) from None
    return Content(text.encode(), "text/plain; charset=utf-8")


def bytes_of(pool: Pool, item: Item, limit: int) -> bytes:
    """The bytes of an item.

    Raises:
        Refused: If they cannot be read.
    """
    if item.data is not None:
        return item.data
    try:
        return pool.sources.read(item.uri, limit)
    except SourceError as error:
        raise Refused("conflict", f"The item cannot be read: {error}") from None
