"""Rows of one size by number, in packed files: a cache that may be deleted at any moment.

Row ``r`` lies in page ``r // rows`` at a fixed place, with a tag before the page's data: a key of
16 bytes, and a sum over the row. A row counts only if both are right, so a torn, stale or foreign
page gives nothing wrong. Files are read and written by position and never mapped: a file that is
cut, or a disk that is full, is an error here and not the end of the process.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.store.codec import parse_dtype, wire_dtype
from querist.store.errors import DamagedFile, StoreError, StoreFailed, storage_error
from querist.store.files import atomic_write, write_at

KEY = 16
_TAG = KEY + 8
_MAGIC = b"QUERIST-PAGE-1\n"
_HEADER = 64
_PAGE_BYTES = 32 << 20
_META = "meta.json"
_SUFFIX = ".page"
_TRIES = 5  # to write into a folder that somebody deletes

Bytes = NDArray[np.uint8]


class Kind(NamedTuple):
    """What all rows of a folder of pages are."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Of one row."""
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))

    @property
    def rows(self) -> int:
        """Of one page: a power of two."""
        fitting = _PAGE_BYTES // max(1, self.nbytes)
        return 1 << min(16, max(4, fitting.bit_length() - 1))

    def told(self) -> bytes:
        """As JSON."""
        return json.dumps({"dtype": wire_dtype(self.dtype)[1], "shape": self.shape}).encode()


def fresh(size: int) -> Bytes:
    """``(size,)`` bytes, of anything."""
    return np.empty(size, np.uint8)


class Pages:
    """Rows of one kind, in a folder; used by several threads and processes at once.

    Args:
        folder: Created by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kind: Kind | None = None
        self._touched: set[int] = set()

    @property
    def kind(self) -> Kind | None:
        """What the rows are; None while there are none."""
        if self._kind is None:
            try:
                told = json.loads((self.folder / _META).read_bytes())
                self._kind = Kind(parse_dtype(told["dtype"]), tuple(map(int, told["shape"])))
            except (OSError, ValueError, KeyError, TypeError, DamagedFile):
                return None
        return self._kind

    def read(
        self,
        rows: NDArray[np.int64],
        keys: Bytes,
        take: Callable[[int], Bytes] = fresh,
    ) -> tuple[NDArray[np.bool_], NDArray[Any] | None]:
        """What is there of some rows.

        Args:
            rows: ``(n,)`` ascending.
            keys: ``(n, 16)``; rows of zeros are never there.
            take: Gives so many bytes, ``(size,)``, to read into; asked once, if any page is there.

        Returns:
            ``(n,)`` which rows were found; and ``(n, ...)`` rows, those not found being anything,
            or None where nothing was found.
        """
        found, kind = np.zeros(len(rows), np.bool_), self.kind
        if kind is None or not len(rows):
            return found, None
        data: Bytes | None = None
        for page, part in _by_page(rows, kind.rows):
            with self._opened(page) as file:
                if file is None:
                    continue
                if data is None:
                    data = take(len(rows) * kind.nbytes).reshape(len(rows), kind.nbytes)
                within = rows[part] - page * kind.rows
                found[part] = _read_rows(file, kind, within, keys[part], data[part])
        if data is None or not found.any():
            return found, None
        return found, data.view(kind.dtype).reshape(len(rows), *kind.shape)

    def write(self, rows: NDArray[np.int64], keys: Bytes, data: NDArray[Any]) -> None:
        """Keep some rows; where the folder is deleted meanwhile, in a new one.

        Args:
            rows: ``(n,)`` ascending.
            keys: ``(n, 16)``.
            data: ``(n, ...)``, all rows of a folder being of one kind.

        Raises:
            StoreFull, StoreFailed: If they cannot be written; what was there before may be lost.
            StoreError: If they are of another kind.
        """
        for left in reversed(range(_TRIES)):
            try:
                self._write(rows, keys, data)
                return
            except (StoreFailed, OSError) as error:
                # Who makes a folder that is deleted at that instant is told that it exists.
                vanished = (FileNotFoundError, FileExistsError)
                gone = isinstance(error.__cause__ or error, vanished)
                if left and gone:
                    continue
                if isinstance(error, StoreFailed):
                    raise
                raise storage_error(error, self.folder, "writing a cache") from error

    def _write(self, rows: NDArray[np.int64], keys: Bytes, data: NDArray[Any]) -> None:
        kind = self._made(Kind(data.dtype.newbyteorder("<"), tuple(data.shape[1:])))
        packed = np.ascontiguousarray(data, kind.dtype).reshape(len(rows), -1).view(np.uint8)
        tags = np.concatenate([keys, sums(packed)], axis=1)
        for page, part in _by_page(rows, kind.rows):
            self._write_page(page, kind, rows[part] - page * kind.rows, tags[part], packed[part])

    def erase(self, rows: NDArray[np.int64]) -> None:
        """Overwrite rows with zeros, wherever they are."""
        kind = self.kind
        if kind is None:
            return
        rows = np.sort(rows)
        for page, part in _by_page(rows, kind.rows):
            within = rows[part] - page * kind.rows
            if self._path(page).exists():
                nothing = np.zeros((len(within), _TAG), np.uint8)
                blank = np.zeros((len(within), kind.nbytes), np.uint8)
                self._write_page(page, kind, within, nothing, blank)

    def _made(self, kind: Kind) -> Kind:
        if (known := self.kind) is not None and (self.folder / _META).exists():
            if known != kind:
                raise StoreError(f"{self.folder} holds rows of {known}, got some of {kind}.")
            return known
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic_write(self.folder / _META, kind.told(), sync=False)
        self._kind = kind
        return kind

    def _path(self, page: int) -> Path:
        return self.folder / f"{page:08d}{_SUFFIX}"

    @contextmanager
    def _opened(self, page: int) -> Iterator[int | None]:
        """A page's file, to be read; None where there is none."""
        path = self._path(page)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        try:
            self._touch(page, path)
            yield file
        finally:
            os.close(file)

    def _touch(self, page: int, path: Path) -> None:
        """Used lately, so evicted late; noted once."""
        if page not in self._touched:
            self._touched.add(page)
            with suppress(OSError):
                os.utime(path)

    def _write_page(
        self, page: int, kind: Kind, within: NDArray[np.int64], tags: Bytes, packed: Bytes
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path(page), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            whole = _HEADER + kind.rows * (_TAG + kind.nbytes)
            if os.fstat(file).st_size != whole:
                os.ftruncate(file, whole)
                os.pwrite(file, _MAGIC, 0)
            base = _HEADER + kind.rows * _TAG
            for start, stop in _runs(within):
                first = int(within[start])
                write_at(file, _flat(packed[start:stop]), base + first * kind.nbytes)
                write_at(file, _flat(tags[start:stop]), _HEADER + first * _TAG)
        finally:
            os.close(file)


def sums(packed: Bytes) -> Bytes:
    """``(n, 8)`` a sum over each row of bytes, in which every place counts differently.

    Of words times odd numbers, so that a change in one word always shows.
    """
    count, width = packed.shape
    words = width // 8
    total = np.full(count, width + 1, np.uint64)
    if words:
        numbers = np.ascontiguousarray(packed[:, : words * 8]).view(np.uint64)
        total += np.einsum("ij,j->i", numbers, _weights(words))
    for place in range(words * 8, width):
        total += packed[:, place].astype(np.uint64) * np.uint64(2 * place + 1)
    return total.view(np.uint8).reshape(count, 8)


@lru_cache(maxsize=16)
def _weights(words: int) -> NDArray[np.uint64]:
    places = np.arange(1, words + 1, dtype=np.uint64)
    made: NDArray[np.uint64] = places * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
    return made


def _same(one: Bytes, other: Bytes) -> NDArray[np.bool_]:
    """Which rows of bytes are equal, and not all zeros."""
    mine = np.ascontiguousarray(one).view(np.uint64)
    theirs = np.ascontiguousarray(other).view(np.uint64)
    equal: NDArray[np.bool_] = (mine == theirs).all(axis=1) & theirs.any(axis=1)
    return equal


def _by_page(rows: NDArray[np.int64], size: int) -> Iterator[tuple[int, slice]]:
    pages = rows // size
    starts = np.flatnonzero(np.diff(pages, prepend=pages[:1] - 1))
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield int(pages[start]), slice(int(start), int(stop))


def _runs(within: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Stretches of consecutive numbers."""
    return pairwise([0, *(np.flatnonzero(np.diff(within) != 1) + 1).tolist(), len(within)])


def _read_rows(
    file: int, kind: Kind, within: NDArray[np.int64], keys: Bytes, into: Bytes
) -> NDArray[np.bool_]:
    """Read rows of a page into ``(n, nbytes)``; which of them are there."""
    first, count = int(within[0]), int(within[-1]) + 1 - int(within[0])
    start = _HEADER + kind.rows * _TAG + first * kind.nbytes
    dense = count == len(within)
    tags, span = fresh(count * _TAG), into.reshape(-1) if dense else fresh(count * kind.nbytes)
    if not (_pread(file, tags, _HEADER + first * _TAG) and _pread(file, span, start)):
        return np.zeros(len(within), np.bool_)
    told = tags.reshape(-1, _TAG)
    if not dense:
        told = told[within - first]
        into[:] = span.reshape(-1, kind.nbytes)[within - first]
    good = _same(told[:, :KEY], keys)
    return good & _same(told[:, KEY:], sums(into)) if good.any() else good


def _pread(file: int, data: Bytes, offset: int) -> bool:
    """Fill an array from a place on; False where the file is shorter, or cannot be read."""
    view, done = data.data, 0
    try:
        while done < len(view):
            got = os.preadv(file, [view[done:]], offset + done)
            if not got:
                return False
            done += got
    except OSError:
        return False
    return True


def _flat(data: Bytes) -> memoryview:
    return np.ascontiguousarray(data).reshape(-1).data


def page_files(folder: Path) -> list[tuple[float, int, Path]]:
    """All pages below a folder: when used last, bytes on the disk, path."""
    found = []
    for path in folder.rglob(f"*{_SUFFIX}"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, status.st_blocks * 512, path))
    return found


def evict(folder: Path, limit: int) -> int:
    """Remove the pages used longest ago until those below a folder fit; the bytes removed."""
    found = sorted(page_files(folder))
    surplus, removed = sum(size for _, size, _ in found) - limit, 0
    for _, size, path in found:
        if removed >= surplus:
            break
        with suppress(OSError):
            path.unlink()
            removed += size
    return removed


def by_digest(*parts: str) -> str:
    """A folder's name for digests: what is cached depends on all of them."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()
