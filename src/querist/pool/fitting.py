"""A record made ready for the index, or the reason why it cannot be an item."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from querist.pool.digests import content_digest, inline_key, own_key
from querist.pool.items import TABLE, TEXT, URI, encoded
from querist.pool.manifests.record import Record
from querist.pool.roots import Place, Roots

LONGEST_ID = 256
_LONGEST_URI = 1 << 20
_LARGEST = 2**63 - 1


class Unfit(Exception):
    """A record that cannot be an item; its text is the reason."""


class Fit(NamedTuple):
    """A record made ready for the index."""

    record: Record
    place: Place
    id: str | None
    kind: int
    content: bytes | None
    inline: str | None
    metadata: str | None


def fitted(record: Record, roots: Roots) -> Fit:
    """Check a record and find its place.

    Raises:
        Unfit: With the reason.
    """
    identity = _identity(record.id)
    if (record.inline is None) == (not record.uri):
        raise Unfit("an item needs either a URI or inline data, and not both")
    if record.size is not None and not 0 <= record.size <= _LARGEST:
        raise Unfit(f"a size of {record.size} bytes is not possible")
    metadata = _json(dict(record.metadata), "the metadata") if record.metadata else None
    _readable(record.group, "the group")
    if record.inline is not None:
        return _inline(record, identity, metadata)
    if len(record.uri) > _LONGEST_URI:
        raise Unfit(f"the URI has {len(record.uri):,} characters; at most {_LONGEST_URI:,} fit")
    _readable(record.uri, "the URI")
    place = roots.place(record.uri)
    own = None if identity == place.key.hex() else identity
    return Fit(record, place, own, URI, None, None, metadata)


def _inline(record: Record, identity: str | None, metadata: str | None) -> Fit:
    is_text = isinstance(record.inline, str)
    text = record.inline if isinstance(record.inline, str) else _json(record.inline, "the row")
    try:
        content = bytes.fromhex(content_digest(text.encode()))
    except UnicodeEncodeError as error:
        if all("\udc80" <= one <= "\udcff" for one in text[error.start : error.end]):
            raise Unfit("the text is not in UTF-8; save the file as UTF-8") from None
        raise Unfit(f"the text is not valid Unicode: {error.reason}") from None
    key = inline_key(content)
    own = None if identity in (None, key.hex()) else identity
    key = key if own is None else own_key(own)
    record = record._replace(size=len(text.encode()), version=content.hex())
    return Fit(record, Place(0, "", key), own, TEXT if is_text else TABLE, content, text, metadata)


def _identity(text: str) -> str | None:
    if not text:
        return None
    if len(text) > LONGEST_ID:
        raise Unfit(f"the id has {len(text):,} characters; at most {LONGEST_ID} fit")
    _readable(text, "the id")
    return text


def _readable(text: str, what: str) -> None:
    """Refuse control characters and halves of surrogate pairs."""
    if text.isascii() and text.isprintable():
        return
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise Unfit(f"{what} has control characters or is not valid Unicode: {text!a:.200}")


def _json(value: object, what: str) -> str:
    try:
        return encoded(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit(f"{what} cannot be JSON: {error}") from None
