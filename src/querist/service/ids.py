"""Ids of what the service keeps, and secrets.

An id is a kind of three letters and twenty characters: the time first, so that ids sort by age,
then 55 random bits. An id opens nothing: whoever asks must own what it names.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import re
import secrets
import time

UPLOAD = "upload:"
"""Before the id of an upload, where a model's settings name a file."""

_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"  # in ASCII's order, so that text sorts as time
_SHAPE = re.compile(r"[a-z]{3}_[a-z2-7]{20}")
# Seeded by the system. Asking it for every request would hand the interpreter to another thread.
_RANDOM = random.Random(secrets.randbits(256))
_KEY = re.compile(r"qk_([a-z2-7]{20})_([a-z2-7]{52})")


def _digits(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(length)))


def new_id(kind: str) -> str:
    """A new id of a kind of three letters."""
    return f"{kind}_{_digits(time.time_ns() // 1_000_000, 9)}{_digits(_RANDOM.getrandbits(55), 11)}"


def is_id(text: str, kind: str) -> bool:
    """Whether a text has the form of an id of this kind; only such a text may become a path."""
    return bool(_SHAPE.fullmatch(text)) and text.startswith(f"{kind}_")


def new_secret() -> str:
    """260 random bits as text."""
    return _digits(secrets.randbits(260), 52)


def key_text(key_id: str, secret: str) -> str:
    """The key that a client sends."""
    return f"qk_{key_id.partition('_')[2]}_{secret}"


def split_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a key that a client sent; None when it has not the form of one."""
    match = _KEY.fullmatch(text)
    return (f"key_{match[1]}", match[2]) if match else None


def digest_of_secret(secret: str) -> str:
    """What is kept of a secret.

    A plain hash is enough where the secret is random and long: there is nothing to guess.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def same_secret(secret: str, digest: str) -> bool:
    """Whether a secret belongs to a digest; takes as long either way."""
    return hmac.compare_digest(digest_of_secret(secret), digest)
