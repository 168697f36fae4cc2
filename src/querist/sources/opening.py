"""All sources behind one object: the scheme of a URI says which is asked."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from querist.sources.access import OPEN, Access
from querist.sources.globs import is_pattern, literal_folder, matcher
from querist.sources.inline import InlineSource
from querist.sources.local import LocalSource
from querist.sources.retrying import Retrier, Retry
from querist.sources.secrets import expanded
from querist.sources.source import Entry, Forbidden, MissingItem, Source, SourceError
from querist.sources.uris import file_uri, local_path, plain, scheme_of, shown

Options = Mapping[str, Any]

# What speaks over a network is imported when it is first used: a process that decodes files starts
# in two thirds of the time.


def _http(access: Access, options: Options) -> Source:
    from querist.sources.http import HttpSource

    return HttpSource(access, options)


def _s3(access: Access, options: Options) -> Source:
    from querist.sources.s3 import S3Source

    return S3Source(access, options)


def _ftp(access: Access, options: Options) -> Source:
    from querist.sources.ftp import FtpSource

    return FtpSource(access, options)


def _fsspec(scheme: str, access: Access, options: Options) -> Source:
    from querist.sources.fsspec_source import FsspecSource

    return FsspecSource(scheme, access, options)


MAKERS: Mapping[str, Callable[[Access, Options], Source]] = {
    "file": lambda access, _: LocalSource(access),
    "data": lambda access, _: InlineSource(access),
    "http": _http,
    "s3": _s3,
    "ftp": _ftp,
}
"""Our own schemes; all others are fsspec's."""

_SAME = {"": "file", "https": "http", "ftps": "ftp", "s3a": "s3", "s3n": "s3"}
_PATTERNLESS = {"data", "http", "https"}  # a question mark and brackets mean other things there


class Sources:
    """Lists and reads items of any scheme, within one access policy; thread-safe.

    Each scheme is opened once, at its first use. Transient failures are tried again.

    Args:
        access: What may be read.
        options: By scheme (file, http, s3, ftp, or one of fsspec), the options of its source; what
            begins with ``$`` is read from the environment, see :mod:`querist.sources.secrets`.
        retry: How transient failures are tried again.

    Raises:
        ConfigError: For options of a scheme that has none, or that name a variable that is not set.
    """

    def __init__(
        self,
        access: Access = OPEN,
        options: Mapping[str, Options] | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.access = access
        self._options = {_SAME.get(name, name): dict(o) for name, o in (options or {}).items()}
        self._retrier = Retrier(retry or Retry())
        self._lock = threading.Lock()
        self._opened: dict[str, Source] = {}
        self._closed = False

    def source(self, uri: str) -> Source:
        """The source that a URI belongs to.

        Raises:
            Forbidden: If the policy does not allow the scheme.
            SourceError: If nobody knows it, or all is closed.
        """
        scheme = scheme_of(uri) or "file"
        if self.access.schemes is not None and scheme not in self.access.schemes:
            raise Forbidden(
                f"{shown(uri)}: the scheme {scheme!r} is not among those that may be used: "
                f"{', '.join(self.access.schemes)}."
            )
        scheme = _SAME.get(scheme, scheme)
        found = self._opened.get(scheme)
        return found if found is not None else self._open(scheme, uri)

    def _open(self, scheme: str, uri: str) -> Source:
        with self._lock:
            if self._closed:
                raise SourceError("These sources are closed.")
            if scheme not in self._opened:
                self._opened[scheme] = self._made(scheme)
            return self._opened[scheme]

    def _made(self, scheme: str) -> Source:
        options = expanded(self._options.get(scheme, {}), scheme, self.access.credentials)
        maker = MAKERS.get(scheme)
        if maker is None:
            return _fsspec(scheme, self.access, options)
        return maker(self.access, options)

    def concurrency(self, uri: str) -> int:
        """How many reads at once the source of this URI is made for."""
        return self.source(uri).concurrency

    def read(self, uri: str, limit: int | None = None) -> bytes:
        """Read an item, with retries; see :meth:`~querist.sources.source.Source.read`."""
        return self._retrier.call(self.source(uri).read, uri, limit)

    def fetch(self, uri: str, limit: int | None = None) -> tuple[bytes, str]:
        """Read an item, with retries, and tell its version, "" where the source does not."""
        source = self.source(uri)
        fetch = getattr(source, "fetch", None)  # SupportsFetch, asked in a tenth of the time
        if fetch is None:
            return self._retrier.call(source.read, uri, limit), ""
        found: tuple[bytes, str] = self._retrier.call(fetch, uri, limit)
        return found

    def stat(self, uri: str) -> Entry:
        """What is known of an item, with retries."""
        return self._retrier.call(self.source(uri).stat, uri)

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """List a folder, prefix, pattern or item, with retries that go on where it stopped.

        Patterns have ``*`` and ``?`` within a name, ``**`` over folders, ``[a-z]``; not for
        http, where these characters mean other things. What exists by that very name is no pattern,
        nor are local folders above the pattern that do, nor what ends in a slash.

        Raises:
            MissingItem: If there is nothing at ``uri``, or nothing matches the pattern.
            SourceError: If the listing cannot go on.
        """
        source = self.source(uri)
        folder, wanted = self._pattern(source, uri)
        if wanted is None:
            yield from self._listed(source, uri, after)
            return
        found = bool(after)
        for entry in self._listed(source, folder, after):
            if wanted.fullmatch(plain(entry.uri)):
                found = True
                yield entry
        if not found:
            raise MissingItem(f"Nothing matches {shown(uri)}.")

    def _pattern(self, source: Source, uri: str) -> tuple[str, re.Pattern[str] | None]:
        """Where a pattern's items are sought, and the pattern; None for what is no pattern."""
        if scheme_of(uri) in _PATTERNLESS or not is_pattern(plain(uri)):
            return uri, None
        if isinstance(source, LocalSource):
            return _local_pattern(source, os.path.abspath(local_path(uri)), uri)  # noqa: PTH100
        if uri.endswith("/"):  # a folder or prefix: no item has such a name
            return uri, None
        try:
            self._retrier.call(source.stat, uri)
        except MissingItem:
            return literal_folder(uri), matcher(plain(uri))
        return uri, None

    def _listed(self, source: Source, uri: str, after: str) -> Iterator[Entry]:
        attempts = self._retrier.attempts()
        while True:
            try:
                for entry in source.entries(uri, after):
                    after = entry.uri
                    attempts = self._retrier.attempts()
                    yield entry
            except SourceError as error:
                if not attempts.again(error):
                    raise
            else:
                return

    def close(self) -> None:
        """Close all sources; reads under way are cut, waits end. May be called twice."""
        self._retrier.stop()
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, {}
        for source in opened.values():
            source.close()

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _local_pattern(
    source: LocalSource, path: bytes, uri: str
) -> tuple[str, re.Pattern[str] | None]:
    """As above. A folder may be called "photos [2024]", or "what?", and patterns lie in it."""
    there = source.there(path)
    rest = os.fsdecode(path[len(there) :])
    if not is_pattern(rest):
        return uri, None
    return file_uri(there + os.fsencode(literal_folder(rest))), matcher(rest, os.fsdecode(there))
