"""The bytes of an item as a browser may show them: pictures of four kinds, and plain text."""

from __future__ import annotations

from querist.pool.items import Item
from querist.pool.pool import Pool
from querist.service.call import Content
from querist.service.problems import Refused
from querist.sources.source import SourceError

TEXT_BYTES = 100_000
_PICTURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def content_of(pool: Pool, item: Item, limit: int) -> Content:
    """What an item looks like. What it is, its bytes say, not its name.

    Raises:
        Refused: If it cannot be read, or is neither such a picture nor text.
    """
    return as_shown(bytes_of(pool, item, limit))


def as_shown(data: bytes) -> Content:
    """Bytes as a browser may show them.

    Raises:
        Refused: If they are neither such a picture nor text.
    """
    kind = _picture(data)
    if kind:
        return Content(data, kind)
    try:
        text = data[:TEXT_BYTES].decode(errors="strict" if len(data) <= TEXT_BYTES else "ignore")
    except UnicodeDecodeError:
        raise Refused("conflict", "The item is neither a picture nor text.") from None
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


def _picture(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _PICTURES.items() if data.startswith(magic)), "")
