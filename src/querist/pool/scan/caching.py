"""The caches of a pool: bytes of remote items, decoded items, outputs of models.

    POOL/cache/raw/             LMDB: uri and version -> bytes
    POOL/cache/decoded/TRANSFORM/    pages by row: decoded items
    POOL/cache/outputs/DIGEST/NEED/  pages by row: what a model with this transform gives

A row of a page counts only under the digest of the item's content. All of it may be deleted at any
moment. A cache that cannot be written (a full disk) is given up for the rest of the scan.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.pool.digests import CONTENT_BYTES, content_digest
from querist.store.cache import ByteCache, cache_key
from querist.store.errors import StoreError
from querist.store.pages import Pages, by_digest, evict, fresh

FOLDER = "cache"
_LOOK = 64 << 20  # bytes written between two looks at the size of a cache

Bytes = NDArray[np.uint8]


class Caches:
    """The caches that one scan uses.

    Args:
        folder: ``POOL/cache``.
        transform: Digest of the transform.
        limit: Bytes of each cache.
        enabled: False for none at all.
    """

    def __init__(self, folder: Path, transform: str, limit: int, enabled: bool = True) -> None:
        self._folder, self._transform = folder, transform
        self._limit, self._enabled = limit, enabled
        self._raw = ByteCache(folder / "raw", limit)
        self._decoded = Pages(folder / "decoded" / by_digest(transform))
        self._outputs: dict[tuple[str, str], Pages] = {}
        self._lock = threading.Lock()
        self._written: dict[str, int] = {}
        self._off: dict[str, str] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Why caches were given up."""
        return tuple(f"the cache of {name} was given up: {why}" for name, why in self._off.items())

    def uses(self, name: str) -> bool:
        """Whether a cache ("raw", "decoded", "outputs") is in use."""
        return self._enabled and name not in self._off

    # -------------------------------------------------------------------------------------- raw

    def bytes_of(self, places: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Bytes of items by URI and version; whole, or None."""
        if not self.uses("raw"):
            return [None] * len(places)
        try:
            found = self._raw.get([cache_key(*place) for place in places])
        except StoreError as error:
            self._give_up("raw", error)
            return [None] * len(places)
        return [None if data is None else _whole(data) for data in found]

    def keep_bytes(self, pairs: Iterable[tuple[tuple[str, str], bytes, bytes]]) -> None:
        """Keep bytes by URI and version, with their digests."""
        if self.uses("raw"):
            try:
                self._raw.put((cache_key(*place), digest + data) for place, digest, data in pairs)
            except StoreError as error:
                self._give_up("raw", error)

    # ---------------------------------------------------------------------------------- decoded

    def decoded(
        self, rows: NDArray[np.int64], contents: Bytes, take: Callable[[int], Bytes] = fresh
    ) -> tuple[NDArray[np.bool_], NDArray[Any] | None]:
        """Decoded items by row, in memory that ``take`` gives, as :meth:`Pages.read`."""
        if not self.uses("decoded"):
            return np.zeros(len(rows), np.bool_), None
        return self._decoded.read(rows, contents, take)

    def keep_decoded(self, rows: NDArray[np.int64], contents: Bytes, data: NDArray[Any]) -> None:
        """Keep decoded items by row."""
        self._keep("decoded", self._decoded, rows, contents, data)

    # ---------------------------------------------------------------------------------- outputs

    def outputs(
        self, model: str | None, names: Iterable[str], rows: NDArray[np.int64], contents: Bytes
    ) -> tuple[NDArray[np.bool_], Mapping[str, NDArray[Any]]]:
        """Which rows have all outputs that are named, and these; nothing of an unknown model."""
        found, held = np.zeros(len(rows), np.bool_), dict[str, NDArray[Any]]()
        if model is None or not self.uses("outputs"):
            return found, held
        found[:] = True
        for name in names:
            there, data = self._pages(model, name).read(rows, contents)
            found &= there
            if data is None:
                return np.zeros(len(rows), np.bool_), {}
            held[name] = data
        return found, held

    def keep_outputs(
        self,
        model: str,
        outputs: Mapping[str, NDArray[Any]],
        rows: NDArray[np.int64],
        contents: Bytes,
    ) -> None:
        """Keep outputs by row."""
        for name, data in outputs.items():
            self._keep("outputs", self._pages(model, name), rows, contents, data)

    def _pages(self, model: str, name: str) -> Pages:
        with self._lock:
            if (model, name) not in self._outputs:
                folder = self._folder / "outputs" / by_digest(self._transform, model) / name
                self._outputs[model, name] = Pages(folder)
            return self._outputs[model, name]

    def _keep(
        self, cache: str, pages: Pages, rows: NDArray[np.int64], keys: Bytes, data: NDArray[Any]
    ) -> None:
        if not self.uses(cache) or not len(rows):
            return
        try:
            pages.write(rows, keys, data)
        except FileNotFoundError:
            return  # deleted in this very moment; the next write makes it anew
        except (StoreError, OSError) as error:
            self._give_up(cache, error)
            return
        with self._lock:
            before = self._written.get(cache, _LOOK)
            self._written[cache] = 0 if before >= _LOOK else before + data.nbytes
        if before >= _LOOK:
            evict(self._folder / cache, self._limit)

    def _give_up(self, cache: str, error: Exception) -> None:
        with self._lock:
            self._off.setdefault(cache, str(error))


def forget(folder: Path, rows: NDArray[np.int64], places: Iterable[tuple[str, str]]) -> None:
    """Erase what the caches of a pool hold of some items.

    Args:
        folder: ``POOL/cache``.
        rows: Of the items.
        places: Their URIs and versions.
    """
    for meta in folder.rglob("meta.json"):
        Pages(meta.parent).erase(rows)
    if (folder / "raw").exists():
        ByteCache(folder / "raw", 1 << 30).erase(cache_key(*place) for place in places)


def _whole(data: bytes) -> bytes | None:
    digest, rest = data[:CONTENT_BYTES], data[CONTENT_BYTES:]
    return rest if bytes.fromhex(content_digest(rest)) == digest else None
