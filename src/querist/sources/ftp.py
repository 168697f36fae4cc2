"""Items by ``ftp://host/path``, and over TLS by ``ftps://host/path``."""

from __future__ import annotations

import ftplib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from querist.core.errors import ConfigError
from querist.sources.access import OPEN, Access
from querist.sources.ftp_pool import Account, FtpConnection, FtpPool
from querist.sources.http_pool import authorities
from querist.sources.local import too_large
from querist.sources.nearest import refuse_unknown
from querist.sources.network import Deadline, Network
from querist.sources.source import Entry, MissingItem, SourceError
from querist.sources.uris import shown
from querist.sources.walking import Folder, walk

T = TypeVar("T")
_OPTIONS = ("logins", "connections", "ca", "implicit")
_IMPLICIT_PORT = 990
_LISTING_BYTES = 256 << 20
_SAFE = "/:@!$&'()*+,=~"
# -rw-r--r--   1 ftp      ftp          1234 Jan 01 12:00 name
_LONG = re.compile(rb"([-dl])[-rwxsStTl]{9}\S*\s+\d+\s+\S+\s+\S+\s+(\d+)\s+\S+\s+\S+\s+\S+ (.+)")


class FtpSource:
    """Reads over kept connections in passive mode, and lists by MLSD, or LIST where there is none.

    A path begins in the folder that the login leads to; ``ftp://host/%2Fpath`` in the root. An
    item's version is its time and size; LIST tells no exact time, so that there it is "". With
    ``ftps`` commands and data go over TLS, which is begun on the usual port (AUTH TLS, RFC 4217); a
    server that does not do that is refused. At port 990, ``ftps://host:990/path``, TLS begins with
    the first byte.

    Args:
        access: The policy.
        options: ``logins``: host -> [user, password]; without one it is anonymous, or the user of
            the URL. ``connections``: at most how many to one server (32). ``ca``: a file of the
            certificate authorities to trust, instead of the system's. ``implicit``: true where TLS
            begins with the first byte at other ports, too; false where it does not at port 990.
        network: What connects; for tests.

    Raises:
        ConfigError: For unknown options.
    """

    def __init__(
        self,
        access: Access = OPEN,
        options: Mapping[str, Any] = MappingProxyType({}),
        network: Network | None = None,
    ) -> None:
        refuse_unknown(options, _OPTIONS, "The ftp source")
        self.concurrency = int(options.get("connections", 32))
        if self.concurrency < 1:
            raise ConfigError(f"connections of ftp is at least 1, got {self.concurrency}.")
        self._implicit = options.get("implicit")
        if self._implicit not in (None, True, False):
            raise ConfigError(f"implicit of ftp is true or false, got {self._implicit!r}.")
        self._access = access
        self._logins = {
            host.lower(): tuple(login) for host, login in options.get("logins", {}).items()
        }
        tls = authorities(str(options.get("ca", "")), access)
        self._pool = FtpPool(network or Network(access), self.concurrency, tls)

    def read(self, uri: str, limit: int | None = None) -> bytes:
        """Read a file; see :meth:`~querist.sources.source.Source.read`."""
        limit = self._access.max_bytes if limit is None else min(limit, self._access.max_bytes)
        place = self._place(uri)
        return self._used(place, uri, partial(_read, uri=uri, path=place.path, limit=limit))

    def stat(self, uri: str) -> Entry:
        """Size and time, where the server tells them."""
        place = self._place(uri)
        return self._used(place, uri, partial(_stat, uri=uri, path=place.path))

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """List a folder, folder by folder, or one file."""
        place = self._place(uri)
        start = self._place(after).path if after else b""
        item = None if uri.endswith("/") else self._item(uri)
        if item is not None:
            yield from () if after and place.path <= start else (item,)
            return
        path = place.path if place.path.endswith(b"/") or not place.path else place.path + b"/"
        try:
            top = self._folder(place, path)
        except SourceError as error:
            if error.transient:
                raise
            # Servers say "not a folder" in several ways, and that it is no file we know.
            raise MissingItem(f"There is nothing at {shown(uri)}.") from error
        for path, folder in walk(top, partial(self._enter, place), start):
            found = place.base + quote_from_bytes(path, _SAFE)
            if folder is None:
                yield Entry(found, None, "")
            else:
                size, version = folder.facts[path[len(folder.path) :]]
                yield Entry(found, size, version)

    def _item(self, uri: str) -> Entry | None:
        try:
            return self.stat(uri)
        except MissingItem:
            return None

    def _enter(self, place: _Place, path: bytes, stack: Sequence[_FtpFolder]) -> _FtpFolder | None:
        try:
            return self._folder(place, path)
        except SourceError as error:
            if error.transient:
                raise
            return None

    def _folder(self, place: _Place, path: bytes) -> _FtpFolder:
        uri = place.base + quote_from_bytes(path, _SAFE)
        return _FtpFolder(path, self._used(place, uri, partial(_listing, path=path)))

    def _used(self, place: _Place, uri: str, work: Callable[[FtpConnection], T]) -> T:
        deadline = Deadline(self._access.timeout, self._access.stall)
        return self._pool.use(place.account, uri, deadline, work)

    def _place(self, uri: str) -> _Place:
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname or "", parts.port or 21
        except ValueError as error:
            raise SourceError(f"{shown(uri)} is no URL: {error}.") from None
        if not host or parts.scheme not in ("ftp", "ftps"):
            raise SourceError(f"{shown(uri)} is no URL of ftp with a host: ftp://host/path.")
        user, password = self._logins.get(host.lower(), ("anonymous", "querist@"))
        if parts.username is not None:
            user = unquote_to_bytes(parts.username).decode("latin-1")
            password = unquote_to_bytes(parts.password or "").decode("latin-1")
        rest = uri[len(f"{parts.scheme}://{parts.netloc}") :].removeprefix("/")
        path = unquote_to_bytes(rest)
        sealed = parts.scheme == "ftps"
        first = port == _IMPLICIT_PORT if self._implicit is None else self._implicit
        account = Account(host, port, user, password, sealed, sealed and first)
        return _Place(account, f"{parts.scheme}://{parts.netloc}/", path)

    def close(self) -> None:
        """Cut what is under way."""
        self._pool.close()


class _Place(NamedTuple):
    account: Account
    base: str
    path: bytes


class _FtpFolder(Folder):
    def __init__(self, path: bytes, facts: dict[bytes, tuple[int | None, str]]) -> None:
        super().__init__(path, facts)
        self.facts = facts


def _read(connection: FtpConnection, uri: str, path: bytes, limit: int) -> bytes:
    data = connection.fetch(f"RETR {path.decode('latin-1')}", limit)
    if data is None:
        raise too_large(uri, None, limit)
    return data


def _stat(connection: FtpConnection, uri: str, path: bytes) -> Entry:
    name = path.decode("latin-1")
    if not name or name.endswith("/"):
        raise MissingItem(f"{shown(uri)} is a folder, not a file.")
    size = int(connection.plain(f"SIZE {name}")[4:])
    try:
        changed = connection.plain(f"MDTM {name}")[4:].strip()
    except ftplib.error_perm:
        return Entry(uri, size, "")
    return Entry(uri, size, _version(changed, size))


def _version(changed: str, size: int | None) -> str:
    return f"{changed.partition('.')[0]}-{size}" if changed else ""


def _listing(connection: FtpConnection, path: bytes) -> dict[bytes, tuple[int | None, str]]:
    """Name -> size and version; the names of folders end with a slash."""
    name = path.rstrip(b"/") if path.strip(b"/") else path
    argument = b" " + name if name else b""
    if connection.supports("MLST"):
        lines = _lines(connection, b"MLSD" + argument)
        return dict(found for line in lines if (found := _machine_line(line)) is not None)
    if name.startswith(b"-"):
        argument = b" ./" + name
    lines = _lines(connection, b"LIST" + argument)
    return dict(found for line in lines if (found := _long_line(line)) is not None)


def _lines(connection: FtpConnection, command: bytes) -> list[bytes]:
    data = connection.fetch(command.decode("latin-1"), _LISTING_BYTES)
    if data is None:
        raise SourceError(f"A folder's listing has more than {_LISTING_BYTES:,} bytes.")
    return data.split(b"\r\n")


def _machine_line(line: bytes) -> tuple[bytes, tuple[int | None, str]] | None:
    """A line of MLSD (RFC 3659): ``type=file;size=5;modify=20260101120000; name``."""
    text, _, name = line.partition(b" ")
    facts = dict(
        part.lower().split("=", 1) for part in text.decode("latin-1").split(";") if "=" in part
    )
    kind = facts.get("type", "file")
    if not _is_name(name) or kind in ("cdir", "pdir"):
        return None
    if kind == "dir":
        return name + b"/", (None, "")
    size = int(facts["size"]) if facts.get("size", "").isdigit() else None
    return name, (size, _version(facts.get("modify", ""), size))


def _long_line(line: bytes) -> tuple[bytes, tuple[int | None, str]] | None:
    """A line of LIST as Unix servers write it."""
    found = _LONG.fullmatch(line)
    if found is None:
        return None
    kind, size, name = found.groups()
    if kind == b"l":
        name, size = name.partition(b" -> ")[0], b""
    if not _is_name(name):
        return None
    return (name + b"/", (None, "")) if kind == b"d" else (name, (int(size) if size else None, ""))


def _is_name(name: bytes) -> bool:
    """Whether it is the name of something in the folder, whatever a server says."""
    return bool(name) and b"/" not in name and name not in (b".", b"..")
