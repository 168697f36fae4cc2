"""Items whose bytes stand in their URI: ``data:`` (RFC 2397)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from urllib.parse import quote_from_bytes, unquote_to_bytes

from querist.sources.access import OPEN, Access
from querist.sources.local import too_large
from querist.sources.source import Entry, SourceError
from querist.sources.uris import shown

_BASE64_PER_BYTES = 4 / 3


def data_uri(data: bytes, media_type: str = "application/octet-stream") -> str:
    """The URI that holds these bytes: readable where they are text, base64 otherwise."""
    if media_type.startswith("text/"):
        return f"data:{media_type},{quote_from_bytes(data, '')}"
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


class InlineSource:
    """Reads ``data:[type][;base64],bytes``; nothing is fetched."""

    concurrency = 1

    def __init__(self, access: Access = OPEN) -> None:
        self._max_bytes = access.max_bytes

    def read(self, uri: str, limit: int | None = None) -> bytes:
        """Decode the bytes; see :meth:`~querist.sources.source.Source.read`."""
        limit = self._max_bytes if limit is None else min(limit, self._max_bytes)
        head, comma, body = uri.partition(",")
        if not comma:
            raise SourceError(f"{shown(uri)}: a data URI has a comma before its bytes.")
        if len(body) > 3 * max(limit, 1) * _BASE64_PER_BYTES + 4:  # %2B is three for one
            raise too_large(uri, None, limit)
        data = unquote_to_bytes(body)
        if head.lower().endswith(";base64"):
            data = _decoded(data, uri)
        if len(data) > limit:
            raise too_large(uri, len(data), limit)
        return data

    def stat(self, uri: str) -> Entry:
        """The size; the content cannot change."""
        return Entry(uri, len(self.read(uri)), "inline")

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """The item itself."""
        if not after or uri > after:
            yield self.stat(uri)

    def close(self) -> None:
        """Nothing is kept open."""


def _decoded(data: bytes, uri: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise SourceError(f"{shown(uri)}: what follows the comma is no base64: {error}.") from None
