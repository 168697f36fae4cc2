"""Items by ``http:`` and ``https:``; a page that lists a folder can be listed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes, urljoin, urlsplit

from querist.core.errors import ConfigError
from querist.sources.access import OPEN, Access
from querist.sources.http_answers import status_error, told_size, unpacked
from querist.sources.http_index import links
from querist.sources.http_pool import AGENT, HttpPool, Request, Response, authorities
from querist.sources.nearest import refuse_unknown
from querist.sources.network import Deadline, Network
from querist.sources.source import Entry, Forbidden, SourceError
from querist.sources.uris import shown
from querist.sources.walking import Folder, walk

_REDIRECTS = {301, 302, 303, 307, 308}
_QUOTED = "%/:@!$&'()*+,;=~?-._[]"
# What needs no taking apart and quoting, which cost as much as a third of the exchange.
_PLAIN = re.compile(
    r"https?://([A-Za-z0-9.-]+)(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?"
    r"/[A-Za-z0-9%/:@!$&'()*+,;=~._-]*"
)
_NO_HEAD = {403, 405, 501}
_OPTIONS = ("headers", "ca")


class HttpSource:
    """Reads by GET over kept connections, follows redirects, each checked by the policy.

    An item's version is its ETag, or its time and size. A URL that ends with a slash and gives a
    page of links is a folder: what the page links to just below it is in it. A user and password in
    a URL are sent by Basic authentication, to that host only.

    Args:
        access: The policy.
        options: ``headers``: host -> headers to send to it, such as Authorization. ``ca``: a file
            of the certificate authorities to trust, instead of the system's.
        network: What connects; for tests.

    Raises:
        ConfigError: For unknown options.
    """

    concurrency = 64

    def __init__(
        self,
        access: Access = OPEN,
        options: Mapping[str, Any] = {},
        network: Network | None = None,
    ) -> None:
        refuse_unknown(options, _OPTIONS, "The http source")
        self._access = access
        self._headers = _by_host(options.get("headers", {}))
        tls = authorities(str(options.get("ca", "")), access)
        self._pool = HttpPool(access, network or Network(access), tls)

    def read(self, uri: str, limit: int | None = None) -> bytes:
        """Read an item; see :meth:`~querist.sources.source.Source.read`."""
        return self.fetch(uri, limit)[0]

    def fetch(self, uri: str, limit: int | None = None) -> tuple[bytes, str]:
        """Read an item; see :meth:`~querist.sources.source.SupportsFetch.fetch`."""
        limit = self._access.max_bytes if limit is None else min(limit, self._access.max_bytes)
        answer = self._got("GET", uri, limit).answer
        coding = answer.headers.get("Content-Encoding")
        body = unpacked(uri, answer.body, coding, limit) if coding else answer.body
        return body, _version(answer.headers)

    def stat(self, uri: str) -> Entry:
        """By HEAD; where a server does not do that, by GET."""
        try:
            answer = self._got("HEAD", uri, 0).answer
        except _Unsupported:
            answer = self._got("GET", uri, self._access.max_bytes).answer
        return Entry(uri, told_size(answer.headers), _version(answer.headers))

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """The item itself, or what a page that lists a folder links to, page by page."""
        if not urlsplit(uri).path.endswith("/"):
            if not after or _path(uri) > _path(after):
                yield self.stat(uri)
            return
        top = self._folder(uri)
        for path, folder in walk(top, self._enter, _path(after) if after else b""):
            if folder is None:
                yield Entry(urljoin(uri, quote(path)), None, "")
            else:
                yield Entry(folder.urls[path[len(folder.path) :]], None, "")

    def _enter(self, path: bytes, stack: Sequence[_HttpFolder]) -> _HttpFolder | None:
        above = stack[-1]
        try:
            return self._folder(above.urls[path[len(above.path) :]])
        except SourceError as error:
            if error.transient:
                raise
            return None

    def _folder(self, url: str) -> _HttpFolder:
        got = self._got("GET", url, self._access.max_bytes)
        kind = got.answer.headers.get("Content-Type", "")
        if not kind.startswith("text/html"):
            raise SourceError(
                f"{shown(url)} is no page that lists a folder, but {kind or 'of no type'}. "
                "Give the URLs of the items, or a manifest of them."
            )
        return _HttpFolder(url, links(got.answer.body, got.url))

    def _got(self, method: str, uri: str, limit: int) -> _Got:
        """The answer, after redirects, within one deadline."""
        deadline = Deadline(self._access.timeout, self._access.stall)
        url, headers = self._prepared(uri)
        for _ in range(self._access.redirects + 1):
            answer = self._pool.exchange(Request(method, url, headers, limit), deadline)
            if answer.status == 200:
                return _Got(url, answer)
            if answer.status not in _REDIRECTS:
                if method == "HEAD" and answer.status in _NO_HEAD:
                    raise _Unsupported(str(answer.status))
                raise status_error(uri, answer.status, answer.headers)
            url, headers = self._prepared(_target(uri, url, answer))
        raise SourceError(f"{shown(uri)} was redirected more than {self._access.redirects} times.")

    def _prepared(self, uri: str) -> tuple[str, dict[str, str]]:
        """The URL as it is sent, and its headers."""
        if (plain := _PLAIN.fullmatch(uri)) is not None:
            return uri, self._sent_to(plain[1].lower())
        try:
            parts = urlsplit(uri.strip())
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError as error:
            raise SourceError(f"{shown(uri)} is no URL: {error}.") from None
        if parts.scheme not in ("http", "https") or not host or port == 0:
            raise SourceError(f"{shown(uri)} is no URL of http or https with a host.")
        headers = self._sent_to(host)
        user, at, place = parts.netloc.rpartition("@")
        if at:
            secret = unquote(user).encode()
            headers["Authorization"] = f"Basic {base64.b64encode(secret).decode()}"
        parts = parts._replace(
            netloc=place,
            path=quote(parts.path, _QUOTED, errors="surrogateescape"),
            query=quote(parts.query, _QUOTED, errors="surrogateescape"),
            fragment="",
        )
        return parts.geturl(), headers

    def _sent_to(self, host: str) -> dict[str, str]:
        return {"User-Agent": AGENT, "Accept": "*/*", **self._headers.get(host, {})}

    def close(self) -> None:
        """Cut what is under way."""
        self._pool.close()


class _Got(NamedTuple):
    url: str
    answer: Response


class _Unsupported(SourceError):
    """The server does not do HEAD for this."""


class _HttpFolder(Folder):
    def __init__(self, url: str, urls: dict[bytes, str]) -> None:
        super().__init__(_path(url), urls)
        self.urls = urls


def _version(headers: Message[str, str]) -> str:
    changed = headers.get("Last-Modified")
    length = headers.get("Content-Length", "")
    return headers.get("ETag") or (f"{changed} {length}" if changed else "")


def _path(uri: str) -> bytes:
    return unquote_to_bytes(urlsplit(uri).path)


def _target(uri: str, url: str, answer: Response) -> str:
    """Where a redirect leads.

    Raises:
        Forbidden: If it leads from https to another scheme.
    """
    place = answer.headers.get("Location")
    if not place:
        raise SourceError(f"{shown(uri)}: the server says {answer.status} without a Location.")
    # What servers send is latin-1 in http.client, and in truth mostly UTF-8.
    place = place.encode("latin-1", "replace").decode("utf-8", "replace")
    target = urljoin(url, place)
    if not target.startswith(("https://", "http://")) or (
        url.startswith("https:") and not target.startswith("https:")
    ):
        raise Forbidden(
            f"{shown(uri)} was redirected to {shown(target)}. Redirects are followed to http and "
            "https only, and from https to https."
        )
    return target


def _by_host(headers: Any) -> dict[str, dict[str, str]]:
    if not isinstance(headers, Mapping) or not all(
        isinstance(value, Mapping) for value in headers.values()
    ):
        raise ConfigError(
            "headers of the http source are given by host, so that no other host gets them: "
            '{"data.example.org": {"Authorization": "Bearer ..."}}.'
        )
    return {str(host).lower(): dict(value) for host, value in headers.items()}
