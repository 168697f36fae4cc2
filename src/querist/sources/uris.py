"""URIs: taking them apart, local paths in them, and how they are shown in sentences."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from urllib.parse import quote_from_bytes, unquote, unquote_to_bytes, urlsplit

from querist.sources.source import SourceError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters or more: C:\ is a path
_SAFE = "/:@!$&'()*+,;=~"


def scheme_of(uri: str) -> str:
    """The scheme in lower case; "" for a local path. ``a::b`` of fsspec is told by ``a``."""
    if uri.startswith("file:"):  # as most items of most pools
        return "file"
    found = _SCHEME.match(uri)
    if found is None or not (uri.startswith("data:") or _has_authority(uri, found.end())):
        return ""
    return found[1].lower()


def _has_authority(uri: str, end: int) -> bool:
    return uri.startswith("//", end) or uri.startswith(":", end) or uri[: end - 1] == "file"


def file_uri(path: bytes) -> str:
    """The URI of an absolute path; any bytes that a file name may have."""
    return "file://" + quote_from_bytes(path, _SAFE)


def local_path(uri: str) -> bytes:
    """The path that a path or ``file:`` URI means.

    Raises:
        SourceError: For a URI of another host, or with a zero byte in it.
    """
    if not uri.startswith("file:"):
        path = os.fsencode(uri)
    elif uri.startswith("file:///"):
        path = unquote_to_bytes(uri[7:])
    else:
        path = _unusual(uri)
    if b"\0" in path:
        raise SourceError(f"{shown(uri)}: a file name cannot have a zero byte.")
    return path


def _unusual(uri: str) -> bytes:
    """``file:/path`` and ``file://localhost/path``; anything else is refused."""
    rest = uri[5:]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        if host.lower() not in ("", "localhost"):
            raise SourceError(
                f"{shown(uri)}: a file URI names no other host than localhost, got {host!r}. "
                "Mount the folder, or serve it by http, ftp or s3."
            )
    if not rest.startswith("/"):
        raise SourceError(f"{shown(uri)}: a file URI has an absolute path (file:///folder/name).")
    return unquote_to_bytes(rest)


def plain(uri: str) -> str:
    """A URI without percent-encoding, to compare with a pattern; local paths are absolute."""
    scheme = scheme_of(uri)
    if scheme in ("", "file"):
        return os.fsdecode(os.path.abspath(local_path(uri)))  # noqa: PTH100, Path has no bytes
    return uri if scheme.startswith("s3") else unquote(uri, errors="surrogateescape")


def shown(uri: str) -> str:
    """A URI for a sentence: no password, no query (signatures), no control characters, short."""
    if uri.startswith("data:"):
        uri = uri[:32] + "..." if len(uri) > 32 else uri
    elif "://" in uri and not uri.startswith("file:"):
        uri = _without_secrets(uri)
    text = printable(uri)
    return text if len(text) <= 300 else f"{text[:140]}...{text[-140:]}"


def shown_path(path: bytes) -> str:
    """A path of this machine for a sentence, as people write it."""
    text = printable(path.decode("utf-8", "backslashreplace"))
    return text if len(text) <= 300 else f"{text[:140]}...{text[-140:]}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def past_proxies(url: str) -> dict[str, None]:
    """Mounts for a client of httpx, by which what stays on this machine goes through no proxy."""
    host = urlsplit(url).hostname or ""
    if not is_loopback(host):
        return {}
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None}


def printable(text: str) -> str:
    """A text of others for a sentence of one line."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _without_secrets(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:  # a malformed address of IPv6
        return uri.partition("://")[0] + "://..."
    host = parts.netloc.rpartition("@")[2]
    query = "?..." if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{query}"
