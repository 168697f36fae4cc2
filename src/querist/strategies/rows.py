"""Data by row, wherever it lies: in memory, memory-mapped, on a GPU, or made chunk by chunk.

A method reads *blocks*, whose borders depend only on the shape of a row. However the data arrive,
the same numbers meet the same operations, so what is picked does not depend on chunks.
"""

from __future__ import annotations

import math
import mmap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.strategies import tensors
from querist.strategies.arrays import Array, filled, namespace, put, rows_at
from querist.strategies.checks import bad_rows
from querist.strategies.errors import BadRows, NeedError
from querist.strategies.needs import Holds, Need

# Numbers in a block, a megabyte as float64: it stays in a core's cache.
BLOCK = 1 << 17
# Bytes of a memory map that may be in memory; what reading one row brings there, and rows at once.
RESIDENT = 1 << 27
AROUND = 1 << 16
MAPPED = 1 << 10


def block_rows(shape: tuple[int, ...], numbers: int = BLOCK, least: int = 1) -> int:
    """Rows of a block for data of this ``(n, ...)`` shape, at least so many."""
    return max(least, numbers // max(1, math.prod(shape[1:])))


class Rows(ABC):
    """Rows of one kind of data, to be read in blocks, in order, as often as wanted.

    Rows are checked for NaN, infinity and (of probabilities) their sums when they are first read.

    Attributes:
        name: Which need it serves, for messages.
    """

    def __init__(self, name: str, need: Need) -> None:
        self.name, self.need = name, need
        self._checked = need.holds is Holds.ANYTHING

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """``(n, ...)``. Of chunks this may take a pass."""

    def usual(self, shape: tuple[int, ...]) -> int:
        """Rows of a block of such data, where nobody asks for a size."""
        return block_rows(shape, least=self.need.least)

    @property
    def in_memory(self) -> bool:
        """Whether blocks are views of an array in memory, and cost nothing to hold."""
        return False

    @abstractmethod
    def _read(self, size: int | None) -> Iterator[tuple[int, Array]]:
        """Blocks with where they begin, unchecked; all of ``size`` rows but the last."""

    @abstractmethod
    def _gather(self, indices: NDArray[np.int64]) -> Array:
        """Rows in the order of the indices, a copy."""

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self, size: int | None = None) -> Iterator[tuple[int, Array]]:
        """``(start, rows)`` from the first row to the last.

        Args:
            size: Rows a block; by default what makes about a megabyte.

        Raises:
            BadRows: In the first pass, if rows are unusable; it names all of them.
        """
        problem, found = "", list[int]()
        for start, block in self._read(size):
            if not self._checked:
                for sentence, rows in bad_rows(block, self.need.holds):
                    problem = problem or sentence
                    found.extend((rows + start).tolist())
            if not found:
                yield start, block
        if found:
            raise BadRows(f"{len(found)} rows of {self.name} {problem}", tuple(found))
        self._checked = True

    def take(self, indices: NDArray[np.int64] | Sequence[int]) -> Array:
        """The rows at some indices, in that order, as an array of the data's own kind and type."""
        self.check()
        return self._gather(np.asarray(indices, np.int64))

    def whole(self) -> Array:
        """All rows in one array; only for what is small."""
        return self.take(np.arange(len(self)))

    def check(self) -> None:
        """Read everything once, unless that was done."""
        if not self._checked:
            for _ in self.blocks():
                pass

    def subset(self, indices: NDArray[np.int64]) -> Rows:
        """Some of the rows as rows of their own; nothing is copied but the blocks being read."""
        self.check()
        return _Subset(self, np.asarray(indices, np.int64))

    def _need_ndim(self, shape: tuple[int, ...]) -> None:
        if self.need.ndim and len(shape) not in self.need.ndim:
            raise ShapeError(f"{self.name} are {self.need.shape}, but got an array of {shape}.")


class _Stored(Rows):
    """Rows of one array-like: NumPy, a memory map, a tensor, or a dataset of HDF5 or Zarr."""

    def __init__(self, name: str, need: Need, array: Any) -> None:
        super().__init__(name, need)
        self._array = array = numeric(name, need, array)
        self._touched = 0
        self._whole = isinstance(array, np.ndarray) or tensors.is_tensor(array)
        self._need_ndim(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._array.shape)

    @property
    def in_memory(self) -> bool:
        return self._whole and not isinstance(self._array, np.memmap)

    def _read(self, size: int | None) -> Iterator[tuple[int, Array]]:
        step = size or self.usual(self.shape)
        for start in range(0, len(self), step):
            block = self._array[start : start + step]
            yield start, block if tensors.is_tensor(block) else np.asarray(block)
            self._touch(block.nbytes)

    def _touch(self, count: int) -> None:
        """Let go of the pages of a memory map now and then; the file cache still has them."""
        self._touched += count
        if self._touched > RESIDENT and isinstance(self._array, np.memmap):
            mapped, self._touched = getattr(self._array, "_mmap", None), 0
            # A copy-on-write map would lose what was written to it.
            if mapped is not None and self._array.mode != "c":
                mapped.madvise(mmap.MADV_DONTNEED)

    def _gather(self, indices: NDArray[np.int64]) -> Array:
        if isinstance(self._array, np.memmap):
            return self._gather_mapped(indices)
        if self._whole:
            return rows_at(self._array, indices)
        unique, inverse = np.unique(indices, return_inverse=True)  # HDF5 wants them in order
        return np.asarray(self._array[unique])[inverse]

    def _gather_mapped(self, indices: NDArray[np.int64]) -> Array:
        """A few rows at a time, for each brings its neighbourhood into memory."""
        found = np.empty((len(indices), *self.shape[1:]), self._array.dtype)
        for start in range(0, len(indices), MAPPED):
            some = indices[start : start + MAPPED]
            found[start : start + MAPPED] = self._array[some]
            self._touch(len(some) * AROUND)
        return found


class _Sparse(_Stored):
    """Rows of a sparse matrix: what is read is dense, a block at a time."""

    def _read(self, size: int | None) -> Iterator[tuple[int, Array]]:
        step = size or self.usual(self.shape)
        for start in range(0, len(self), step):
            yield start, _array(self._array[start : start + step])

    def _gather(self, indices: NDArray[np.int64]) -> Array:
        return _array(self._array[indices])


class _Chunks(Rows):
    """Rows that come in chunks of any length, from the beginning each time."""

    def __init__(self, name: str, need: Need, chunks: Callable[[], Iterator[Any]]) -> None:
        super().__init__(name, need)
        self._chunks = chunks
        self._shape: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        if self._shape is None:
            self.check()
        if self._shape is None:  # unchecked kinds of data
            for _ in self._read(None):
                pass
        return self._shape or (0,)

    def _read(self, size: int | None) -> Iterator[tuple[int, Array]]:
        start, held = 0, list[Array]()
        step, shape = size, (0,)
        for chunk in self._arrays():
            step = step or self.usual(chunk.shape)
            shape = tuple(chunk.shape)
            held.append(chunk)
            while sum(map(len, held)) >= step:
                block, held = _cut(held, step)
                yield start, block
                start += step
        count = start + sum(map(len, held))
        if count > start:
            yield start, _joined(held)
        self._shape = (count, *shape[1:])

    def _arrays(self) -> Iterator[Array]:
        row: tuple[int, ...] | None = None
        for chunk in self._chunks():
            array = numeric(self.name, self.need, _array(chunk))
            self._need_ndim(tuple(array.shape))
            if row is not None and tuple(array.shape[1:]) != row:
                raise ShapeError(f"chunks of {self.name} have rows of {row} and {array.shape[1:]}.")
            row = tuple(array.shape[1:])
            if len(array):
                yield array

    def _gather(self, indices: NDArray[np.int64]) -> Array:
        order = np.argsort(indices, kind="stable")
        found: Array | None = None
        for start, block in self._read(None):
            first, last = np.searchsorted(indices, [start, start + len(block)], sorter=order)
            if found is None:
                found = block[:0]
                kind = str(block.dtype).rpartition(".")[2]
                found = filled((len(indices), *block.shape[1:]), 0, kind, block)
            if last > first:
                put(found, order[first:last], rows_at(block, indices[order[first:last]] - start))
        if found is None:
            raise ShapeError(f"{self.name} hold no row to take.")
        return found


class _Subset(Rows):
    """Some rows of other rows."""

    def __init__(self, base: Rows, indices: NDArray[np.int64]) -> None:
        super().__init__(base.name, base.need)
        self._base, self._indices, self._checked = base, indices, True

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._indices), *self._base.shape[1:])

    def _read(self, size: int | None) -> Iterator[tuple[int, Array]]:
        step = size or self.usual(self.shape)
        if not isinstance(self._base, _Stored) and (np.diff(self._indices) > 0).all():
            yield from self._streamed(step)
            return
        for start in range(0, len(self), step):
            yield start, self._base.take(self._indices[start : start + step])

    def _streamed(self, step: int) -> Iterator[tuple[int, Array]]:
        """The same in one pass over rows that cannot be reached one by one."""
        start, held = 0, list[Array]()
        for first, block in self._base.blocks():
            low, high = np.searchsorted(self._indices, [first, first + len(block)])
            if high > low:
                held.append(rows_at(block, self._indices[low:high] - first))
            while sum(map(len, held)) >= step:
                part, held = _cut(held, step)
                yield start, part
                start += step
        if held:
            yield start, _joined(held)

    def _gather(self, indices: NDArray[np.int64]) -> Array:
        return self._base.take(self._indices[indices])


def _array(chunk: Any) -> Array:
    """A chunk as an array or a tensor; a sparse one as a dense array."""
    if tensors.is_tensor(chunk):
        return chunk
    return np.asarray(chunk.toarray() if hasattr(chunk, "toarray") else chunk)


def numeric(name: str, need: Need, array: Any) -> Any:
    """An array of numbers: as it is, or of Python's objects where they are numbers.

    Raises:
        NeedError: If it holds text, instants or other objects, where numbers are wanted.
    """
    kind = getattr(array.dtype, "kind", "")
    if not need.ndim or kind not in {*"OSUMmc"}:
        return array
    if kind == "O" and isinstance(array, np.ndarray):
        with suppress(TypeError, ValueError):
            return array.astype(float)
    raise NeedError(f"{name} {need.shape} should be numbers, but have the dtype {array.dtype}.")


def rows_of(name: str, need: Need, data: Any) -> Rows:
    """Make rows of what a caller gave.

    Args:
        name: Which need it serves.
        need: Its entry in the table.
        data: An array, a tensor, anything with ``shape``, ``dtype`` and slices; a table or column
            of pandas or polars; a sparse matrix of SciPy; a list of numbers; or chunks: a list of
            arrays, any object that can be iterated again, a function that returns a fresh iterator,
            or an iterator (good for one pass).

    Raises:
        NeedError: If it is none of these.
        ShapeError: If the number of axes is not what the need says.
    """
    if isinstance(data, Rows):
        return data
    if hasattr(data, "tocsr"):
        return _Sparse(name, need, data.tocsr())
    if hasattr(data, "to_numpy"):  # whose own indexing is by label
        data = data.to_numpy()
    if tensors.is_tensor(data) or all(hasattr(data, part) for part in ("shape", "dtype")):
        return _Stored(name, need, data)
    if callable(data):
        return _Chunks(name, need, lambda: iter(data()))
    if isinstance(data, Sequence) and not (len(data) and hasattr(data[0], "shape")):
        return _Stored(name, need, np.asarray(data))
    if isinstance(data, Iterable):
        return _Chunks(name, need, _again(name, data))
    raise NeedError(
        f"{name} are an array {need.shape} or chunks of it, but got {type(data).__name__}."
    )


def _again(name: str, data: Iterable[Any]) -> Callable[[], Iterator[Any]]:
    """A fresh iterator each time; a one-way iterator gives itself once."""
    spent = False

    def chunks() -> Iterator[Any]:
        nonlocal spent
        iterator = iter(data)
        if iterator is data:
            if spent:
                raise NeedError(
                    f"this strategy reads {name} several times, but an iterator can be read once. "
                    "Give a function that returns a fresh iterator, a list of chunks or an array."
                )
            spent = True
        return iterator

    return chunks


def _cut(held: list[Array], step: int) -> tuple[Array, list[Array]]:
    """The first ``step`` rows of chunks, and what remains."""
    parts, count = list[Array](), 0
    rest = list(held)
    while count < step:
        part = rest.pop(0)
        parts.append(part[: step - count])
        if len(part) > step - count:
            rest.insert(0, part[step - count :])
        count += len(parts[-1])
    return _joined(parts), rest


def _joined(parts: list[Array]) -> Array:
    if len(parts) == 1:
        return parts[0]
    return namespace(parts[0]).concatenate(parts)


def together(rows: Sequence[Rows], size: int | None = None) -> Iterator[tuple[int, list[Array]]]:
    """Blocks of several kinds of data of the same items, side by side.

    Raises:
        ShapeError: If one has more rows than another.
        BadRows: In the first pass, if rows of any are unusable.
    """
    if len(rows) == 1:
        yield from ((start, [block]) for start, block in rows[0].blocks(size))
        return
    step = size or min(one.usual(next(iter(one._read(1)))[1].shape) for one in rows)
    readers = [one.blocks(step) for one in rows]
    while True:
        parts = [part for reader in readers if (part := next(reader, None)) is not None]
        lengths = {len(block) for _, block in parts} | ({0} if len(parts) < len(rows) else set())
        if len(lengths) != 1:
            raise ShapeError(_unequal(rows))
        if lengths == {0}:
            return
        yield parts[0][0], [block for _, block in parts]


def same_length(rows: Sequence[Rows]) -> None:
    """Refuse data of different numbers of items.

    Raises:
        ShapeError: If they differ.
    """
    if len({len(one) for one in rows}) > 1:
        raise ShapeError(_unequal(rows))


def _unequal(rows: Sequence[Rows]) -> str:
    lengths = ", ".join(f"{one.name} {_length(one)}" for one in rows)
    return (
        f"data of one pool must have a row for each item, but the numbers of rows are: {lengths}."
    )


def _length(rows: Rows) -> str:
    try:
        return str(len(rows))
    except NeedError:
        return "(of an iterator)"
