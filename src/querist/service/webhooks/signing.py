"""Signatures of messages: the receiver learns who sent what, and when."""

from __future__ import annotations

import hashlib
import hmac
import re

_FORM = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def sign(secret: str, body: bytes, at: int) -> str:
    """The header's text for a body, sent at an instant (seconds since 1970)."""
    return f"t={at},v1={_digest(secret, body, at)}"


def verify(secret: str, body: bytes, header: str, now: float, tolerance: float = 300.0) -> bool:
    """Whether a message is genuine and fresh; for receivers.

    Args:
        secret: As the webhook's creation told it.
        body: The bytes as they came.
        header: ``Querist-Signature``.
        now: Seconds since 1970.
        tolerance: Seconds; older messages may be replays. Keep the ids of those seen meanwhile.
    """
    match = _FORM.fullmatch(header)
    if match is None or abs(now - int(match[1])) > tolerance:
        return False
    return hmac.compare_digest(_digest(secret, body, int(match[1])), match[2])


def _digest(secret: str, body: bytes, at: int) -> str:
    return hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
