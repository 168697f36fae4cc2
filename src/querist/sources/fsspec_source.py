"""Items of any scheme that fsspec has a file system for: gs, abfs, sftp, hf, smb, zip ..."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from querist.core.errors import ConfigError, require
from querist.sources.access import OPEN, Access
from querist.sources.local import too_large
from querist.sources.nearest import nearest
from querist.sources.source import Entry, Forbidden, MissingItem, SourceError, Unreachable
from querist.sources.uris import shown
from querist.sources.walking import Folder, walk

_VERSIONS = (
    *("ETag", "etag", "md5Hash", "content_md5", "checksum"),
    *("mtime", "LastModified", "last_modified", "updated", "modified"),
)


class FsspecSource:
    """Reads and lists through a file system of fsspec.

    Its connections are fsspec's own: hosts, private networks, proxies and times of the access
    policy cannot be kept, so that a policy that restricts hosts or folders refuses this source
    unless ``schemes`` names the scheme.

    Args:
        scheme: As fsspec knows it; the first of a chain (``simplecache::gs://...``).
        access: The policy.
        options: Given to the file system.

    Raises:
        ConfigError: If fsspec does not take the options.
        Forbidden: If the policy cannot be kept.
        SourceError: If fsspec does not know the scheme, or a package for it is missing.
    """

    concurrency = 16

    def __init__(
        self,
        scheme: str,
        access: Access = OPEN,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        _require_unrestricted(scheme, access)
        self._max_bytes = access.max_bytes
        fsspec = require("fsspec", "pool", f"Reading {scheme} URIs")
        try:
            self._system = fsspec.filesystem(scheme, **options)
        except ValueError as error:
            known = fsspec.available_protocols()
            hint = nearest(scheme, known)
            raise SourceError(f"Nobody knows the scheme {scheme!r}.{hint} ({error})") from error
        except ImportError as error:
            raise SourceError(f"The scheme {scheme!r} needs another package: {error}.") from error
        except TypeError as error:
            raise ConfigError(f"Options of {scheme!r} do not fit: {error}.") from error
        self._system.invalidate_cache()  # it may be that of an earlier source

    def read(self, uri: str, limit: int | None = None) -> bytes:
        """Read an item; see :meth:`~querist.sources.source.Source.read`."""
        limit = self._max_bytes if limit is None else min(limit, self._max_bytes)
        size = self.stat(uri).size
        if size is not None and size > limit:
            raise too_large(uri, size, limit)
        path = self._path(uri)
        data = self._tried(uri, self._system.cat_file, path, start=0, end=limit + 1)
        if len(data) > limit:
            raise too_large(uri, None, limit)
        if size is not None and len(data) < size:
            raise Unreachable(f"{shown(uri)} was cut short: {len(data):,} of {size:,} bytes came.")
        return bytes(data)

    def stat(self, uri: str) -> Entry:
        """Size and what the file system calls version, time or checksum."""
        info = self._tried(uri, self._system.info, self._path(uri))
        if info["type"] == "directory":
            raise MissingItem(f"{shown(uri)} is a folder, not a file.")
        return _entry(uri, info)

    def entries(self, uri: str, after: str = "") -> Iterator[Entry]:
        """List a folder, folder by folder, or one file."""
        self._system.invalidate_cache()  # fsspec keeps listings as long as the process lives
        info = self._tried(uri, self._system.info, self._path(uri))
        start = self._path(after).encode() if after else b""
        path = info["name"]
        if info["type"] != "directory":
            if path.encode() > start:
                yield _entry(self._uri(path), info)
            return
        for found, folder in walk(self._folder(uri, path), self._enter, start):
            if folder is None:
                yield Entry(self._uri(found.decode()), None, "")
            else:
                name = found[len(folder.path) :]
                yield _entry(self._uri(found.decode()), folder.infos[name])

    def _enter(self, path: bytes, stack: Sequence[_FsspecFolder]) -> _FsspecFolder | None:
        try:
            return self._folder(self._uri(path.decode()), path.decode())
        except SourceError as error:
            if error.transient:
                raise
            return None

    def _folder(self, uri: str, path: str) -> _FsspecFolder:
        path = path.rstrip("/")
        listed = self._tried(uri, self._system.ls, path, detail=True)
        infos = {}
        for info in listed:
            name = info["name"].rstrip("/").rpartition("/")[2]
            if info["name"].rstrip("/") != path:
                infos[(name + ("/" if info["type"] == "directory" else "")).encode()] = info
        return _FsspecFolder(path.encode() + b"/", infos)

    def _path(self, uri: str) -> str:
        return str(self._system._strip_protocol(uri))

    def _uri(self, path: str) -> str:
        return str(self._system.unstrip_protocol(path))

    def _tried(self, uri: str, call: Any, *args: Any, **options: Any) -> Any:
        try:
            return call(*args, **options)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise MissingItem(f"There is no file {shown(uri)}.") from error
        except PermissionError as error:
            raise Forbidden(f"{shown(uri)} may not be read: {error}.") from error
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{shown(uri)} cannot be read now: {error}.") from error
        # Each file system has errors of its own.
        except Exception as error:
            raise SourceError(f"{shown(uri)} cannot be read: {error!r}.") from error

    def close(self) -> None:
        """Fsspec closes its connections itself."""


class _FsspecFolder(Folder):
    def __init__(self, path: bytes, infos: dict[bytes, Any]) -> None:
        super().__init__(path, infos)
        self.infos = infos


def _require_unrestricted(scheme: str, access: Access) -> None:
    if access.schemes is not None and scheme in access.schemes:
        return
    if access.roots is not None or access.hosts is not None or not access.private:
        raise Forbidden(
            f"The scheme {scheme!r} is read by fsspec, which cannot keep an access policy of "
            "folders, hosts and networks. Name it in schemes if it may read anything."
        )


def _entry(uri: str, info: Mapping[str, Any]) -> Entry:
    version = next((str(info[name]) for name in _VERSIONS if info.get(name)), "")
    size = info.get("size")
    return Entry(uri, None if size is None else int(size), version and f"{version}-{size}")
