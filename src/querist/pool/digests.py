"""Digests: of where an item is, which ids are made of, and of what is in it."""

from __future__ import annotations

import hashlib

KEY_BYTES = 10
CONTENT_BYTES = 16


def key_of(root: str, path: str) -> bytes:
    """The key of an item at a path below a root's name: 80 bits."""
    return _key(f"{root}/{path}" if root else path)


def inline_key(content: bytes) -> bytes:
    """The key of an inline item without an id of its own: the same data is the same item."""
    return _key(f"\0inline/{content.hex()}")


def own_key(identity: str) -> bytes:
    """The key of an inline item with an id of its own."""
    return _key(f"\0id/{identity}")


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def content_digest(data: bytes) -> str:
    """What tells contents apart: 128 bits of BLAKE2b, hexadecimal.

    Of inline items it is computed when they are added, of others by whoever reads them.
    """
    return hashlib.blake2b(data, digest_size=CONTENT_BYTES).hexdigest()
