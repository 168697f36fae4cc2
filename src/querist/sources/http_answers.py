"""What an HTTP status means for us, and packed bodies."""

from __future__ import annotations

import time
import zlib
from email.message import Message
from email.utils import mktime_tz, parsedate_tz

from querist.sources.local import too_large
from querist.sources.source import Forbidden, MissingItem, SourceError, Unreachable
from querist.sources.uris import shown

_MISSING = {404, 410}
_REFUSED = {401, 403, 407, 451}
_LATER = {408, 425, 429, 500, 502, 503, 504}


def status_error(uri: str, status: int, headers: Message[str, str], said: str = "") -> SourceError:
    """The error for a status that is no success; ``said`` is the server's reason, if it has one."""
    why = f"the server says {status}{f' ({said})' if said else ''}"
    if status in _MISSING:
        return MissingItem(f"There is no {shown(uri)}: {why}.")
    if status in _REFUSED:
        return Forbidden(f"{shown(uri)} may not be read: {why}.")
    if status in _LATER:
        return Unreachable(f"{shown(uri)} cannot be read now: {why}.", retry_after(headers))
    return SourceError(f"{shown(uri)} cannot be read: {why}.")


def told_size(headers: Message[str, str]) -> int | None:
    """What Content-Length tells; None without it, or where it is no sensible number."""
    text = headers.get("Content-Length") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def retry_after(headers: Message[str, str]) -> float:
    """Seconds that a Retry-After header asks to wait: a number or a date; 0 without one."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:19])
    parsed = parsedate_tz(text)
    return max(0.0, mktime_tz(parsed) - time.time()) if parsed else 0.0


def unpacked(uri: str, body: bytes, coding: str, limit: int) -> bytes:
    """The body without its Content-Encoding, which we did not ask for but some servers use.

    Raises:
        TooLarge: If it has more than ``limit`` bytes; no more are unpacked.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise SourceError(f"{shown(uri)} came packed as {coding!r}, which was not asked for.")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        data = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise SourceError(f"{shown(uri)} came packed as {coding} and damaged: {error}.") from error
    if len(data) > limit:
        raise too_large(uri, None, limit)
    if not unpacker.eof:
        raise Unreachable(f"{shown(uri)} came packed as {coding} and cut short.")
    return data
