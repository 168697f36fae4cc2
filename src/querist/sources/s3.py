"""Items in S3 and what speaks its protocol: ``s3://bucket/key``, the key written as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode, urlsplit
from xml.etree import ElementTree

from querist.sources.access import OPEN, Access
from querist.sources.http_answers import status_error, told_size
from querist.sources.http_pool import HttpPool, Request, Response, authorities
from querist.sources.network import Deadline, Network
from querist.sources.s3_signing import REGION, S3Options, Signer
from querist.sources.source import Entry, MissingItem, SourceError, Unreachable
from querist.sources.uris import shown

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_UNQUOTED = "/-_.~"
_PAGE_BYTES = 32 << 20
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


class S3Source:
    """Objects of buckets, listed a thousand a request, going on after any key.

    An item's version is its ETag. Keys are never percent-encoded in our URIs. A listing leaves out
    keys that end with a slash, which stand for folders.

    Args:
        access: The policy; ``hosts`` must have the endpoint's host, or ``*.amazonaws.com``.
        options: See :class:`~querist.sources.s3_signing.S3Options`.
        network: What connects; for tests.

    Raises:
        ConfigError: For unknown or unfitting options.
    """

    concurrency = 64

    def __init__(
        self,
        access: Access = OPEN,
        options: Mapping[str, Any] = MappingProxyType({}),
        network: Network | None = None,
    ) -> None:
        self._access = access
        self._options = S3Options.of(options, access)
        self._endpoint = self._options.found_endpoint(access).rstrip("/")
        self._signer = Signer(self._options, access.proxy)
        self._regions: dict[str, str] = {}
        tls = authorities(self._options.ca, access)
        self._pool = HttpPool(access, network or Network(access), tls)

    def read(self, uri: str, limit: int | None = None) -> bytes:
        """Read an object; see :meth:`~querist.sources.source.Source.read`."""
        return self.fetch(uri, limit)[0]

    def fetch(self, uri: str, limit: int | None = None) -> tuple[bytes, str]:
        """Read an object; see :meth:`~querist.sources.source.SupportsFetch.fetch`."""
        limit = self._access.max_bytes if limit is None else min(limit, self._access.max_bytes)
        bucket, key = _parts(uri)
        _require_key(uri, key)
        answer = self._got("GET", uri, (bucket, key), "", limit)
        return answer.body, answer.headers.get("ETag", "").strip('"')

    def stat(self, uri: str) -> Entry:
        """Size and ETag, by HEAD."""
        bucket, key = _parts(uri)
        _require_key(uri, key)
        headers = self._got("HEAD", uri, (bucket, key), "", 0).headers
        return Entry(uri, told_size(headers), headers.get("ETag", "").strip('"'))

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """List the objects below a bucket or folder, or one object."""
        bucket, key = _parts(uri)
        start = _parts(after)[1] if after else ""
        if key and not key.endswith("/"):
            item = self._item(uri)
            if item is not None:
                yield from () if after and key <= start else (item,)
                return
            key += "/"
        found = bool(after)
        for entry in self._listed(bucket, key, start):
            found = True
            if not _hidden(entry.uri[len(f"s3://{bucket}/{key}") :]):
                yield entry
        if not found:
            raise MissingItem(f"There is nothing at {shown(uri)}.")

    def _item(self, uri: str) -> Entry | None:
        try:
            return self.stat(uri)
        except MissingItem:
            return None

    def _listed(self, bucket: str, prefix: str, start: str) -> Iterator[Entry]:
        uri = f"s3://{bucket}/{prefix}"
        token = ""
        while True:
            query = {"encoding-type": "url", "list-type": "2", "prefix": prefix}
            query |= {"continuation-token": token} if token else {}
            query |= {"start-after": start} if start and not token else {}
            text = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
            page = _page(uri, self._got("GET", uri, (bucket, ""), text, _PAGE_BYTES).body)
            try:
                listed = list(page.entries(bucket))
            except ValueError as error:
                why = f"The listing of {shown(uri)} cannot be understood: {error}."
                raise Unreachable(why) from error
            yield from listed
            token = page.token
            if not token:
                return

    def _got(
        self, method: str, uri: str, place: tuple[str, str], query: str, limit: int
    ) -> Response:
        """The answer; asked again in the bucket's own region if that is another."""
        deadline = Deadline(self._access.timeout, self._access.stall)
        region = self._regions.get(place[0], self._signer.region)
        answer = self._asked(method, (place, query, region), limit, deadline)
        told = answer.headers.get("x-amz-bucket-region")
        elsewhere = told is not None and told != region and REGION.fullmatch(told) is not None
        if answer.status in (301, 307, 400) and told and elsewhere:
            self._regions[place[0]] = told
            answer = self._asked(method, (place, query, told), limit, deadline)
        if answer.status == 200:
            return answer
        said = _CODE.search(answer.body)
        raise status_error(uri, answer.status, answer.headers, said[1].decode() if said else "")

    def _asked(
        self,
        method: str,
        what: tuple[tuple[str, str], str, str],
        limit: int,
        deadline: Deadline,
    ) -> Response:
        place, query, region = what
        url = self._url(place, region) + (f"?{query}" if query else "")
        headers = self._signer.signed(method, url, region)
        return self._pool.exchange(Request(method, url, headers, limit), deadline)

    def _url(self, place: tuple[str, str], region: str) -> str:
        bucket, key = place
        path = quote(key, _UNQUOTED)
        tail = ".cn" if region.startswith("cn-") else ""
        base = self._endpoint or f"https://s3.{region}.amazonaws.com{tail}"
        if self._by_path(bucket):
            return f"{base}/{bucket}/{path}"
        parts = urlsplit(base)
        return f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path}/{path}"

    def _by_path(self, bucket: str) -> bool:
        if self._options.addressing != "auto":
            return self._options.addressing == "path"
        return bool(self._endpoint) or "." in bucket or not bucket.islower()

    def close(self) -> None:
        """Cut what is under way."""
        self._pool.close()


class _Page:
    """One answer to a listing."""

    def __init__(self, root: ElementTree.Element) -> None:
        self._space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        self._root = root
        cut = root.findtext(f"{self._space}IsTruncated", "") == "true"
        self.token = root.findtext(f"{self._space}NextContinuationToken", "") if cut else ""

    def entries(self, bucket: str) -> Iterator[Entry]:
        space = self._space
        for found in self._root.iterfind(f"{space}Contents"):
            key = unquote_plus(found.findtext(f"{space}Key", ""))
            if not key.endswith("/"):
                tag = found.findtext(f"{space}ETag", "").strip('"')
                yield Entry(f"s3://{bucket}/{key}", int(found.findtext(f"{space}Size", "0")), tag)


def _page(uri: str, body: bytes) -> _Page:
    try:
        return _Page(ElementTree.fromstring(body))
    except (ElementTree.ParseError, ValueError) as error:
        raise Unreachable(f"The listing of {shown(uri)} cannot be understood: {error}.") from error


def _parts(uri: str) -> tuple[str, str]:
    """Bucket and key.

    Raises:
        SourceError: If there is no usable bucket name.
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise SourceError(
            f"{shown(uri)} names no bucket: s3://bucket/key, where a bucket has 3 to 255 letters, "
            "digits, dots and hyphens."
        )
    return bucket, key


def _require_key(uri: str, key: str) -> None:
    if not key or key.endswith("/"):
        raise MissingItem(f"{shown(uri)} is a bucket or folder, not an object.")


def _hidden(name: str) -> bool:
    return name.startswith(".") or "/." in name
