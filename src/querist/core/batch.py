"""Samples and batches: named arrays of any shape and dtype, never flattened into float vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.errors import ShapeError

Array = NDArray[np.generic]
Arrays = Mapping[str, Array]
Indices = NDArray[np.integer] | NDArray[np.bool_] | Sequence[int]


def as_array(value: ArrayLike, name: str = "array") -> Array:
    """Turn a value into a native-endian, C-contiguous array, refusing Python objects."""
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise ShapeError(
            f"{name!r} should be numbers, booleans or strings in an array, but holds Python "
            f"objects ({type(value).__name__}); ragged lists must be given as one array a sample."
        )
    if array.dtype.byteorder not in "=|<":
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.c_contiguous else np.array(array, order="C")


def digest_arrays(arrays: Arrays, uri: str | None = None) -> str:
    """Content digest (128-bit BLAKE2b, hex): names, dtypes (text of any width), shapes, bytes."""
    digest = hashlib.blake2b(digest_size=16)
    if uri is not None:
        digest.update(b"uri\0" + uri.encode() + b"\0")
    for name in sorted(arrays):
        array = arrays[name]
        if (kind := array.dtype.kind) in "US":
            array = array.astype(f"{kind}{max(map(len, array.ravel().tolist()), default=1)}")
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One input: named arrays, or a URI, with a stable id (its content digest).

    Attributes:
        arrays: Named arrays of any shape and dtype. Owned by the sample; treat as read-only.
        uri: Where the content lies when it is not held in ``arrays``.
        id: 32 hexadecimal digits; equal content has equal ids.
    """

    arrays: Arrays
    uri: str | None = None
    id: str = ""

    @classmethod
    def of(cls, arrays: Mapping[str, ArrayLike], uri: str | None = None) -> Sample:
        """Make a sample and compute its id."""
        held = {name: as_array(value, name) for name, value in arrays.items()}
        return cls(held, uri, digest_arrays(held, uri))

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sample) and self.id == other.id


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One named array of every sample, back to back, so that single items are views.

    Attributes:
        data: ``(total,)`` values of all items, C order.
        offsets: ``(n + 1,)`` int64; item ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
        shapes: ``(n, d)`` int64, the shape of each item. All items have the same number of axes.
    """

    data: Array
    offsets: NDArray[np.int64]
    shapes: NDArray[np.int64]
    _item: tuple[int, ...] | None = field(default=None, init=False, repr=False)  # when uniform

    @classmethod
    def stack(cls, values: ArrayLike, name: str = "column") -> Column:
        """From an ``(n, ...)`` array whose first axis runs over samples."""
        array = as_array(values, name)
        if array.ndim == 0:
            raise ShapeError(f"{name!r} needs a first axis over samples, but is a scalar.")
        return cls.regular(array.reshape(-1), array.shape[0], array.shape[1:])

    @classmethod
    def regular(cls, data: Array, count: int, item: tuple[int, ...]) -> Column:
        """From the ``(total,)`` values of ``count`` items of one shape."""
        column = cls(data, *(_layout if count <= _SHORT else _layout.__wrapped__)(count, item))
        object.__setattr__(column, "_item", item)
        return column

    @classmethod
    def of(cls, items: Sequence[ArrayLike], name: str = "column") -> Column:
        """From one array a sample; shapes may differ, the number of axes may not."""
        arrays = [as_array(item, name) for item in items]
        dims = {array.ndim for array in arrays}
        if len(dims) > 1:
            raise ShapeError(f"{name!r} mixes arrays of {sorted(dims)} axes; one batch needs one.")
        if len({(array.shape, array.dtype) for array in arrays}) == 1:
            return cls.stack(np.stack(arrays), name)
        offsets = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([array.size for array in arrays], out=offsets[1:])
        shapes = np.array([array.shape for array in arrays], np.int64)
        return cls(np.concatenate([a.reshape(-1) for a in arrays]), offsets, shapes)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def item(self, index: int) -> Array:
        """The array of one sample, a view."""
        start, stop = self.offsets[index], self.offsets[index + 1]
        return self.data[start:stop].reshape(tuple(self.shapes[index]))

    def items(self) -> Iterator[Array]:
        """The arrays of all samples, as views."""
        if not self.is_uniform:
            return map(self.item, range(len(self)))
        whole = self.uniform  # much cheaper than a reshape for each
        return iter(whole) if whole.ndim > 1 else (whole[i, ...] for i in range(len(self)))

    @property
    def is_uniform(self) -> bool:
        """Whether all items have one shape."""
        return self.item_shape is not None

    @property
    def item_shape(self) -> tuple[int, ...] | None:
        """The shape of all items; None if they differ."""
        if self._item is None and (not len(self) or bool((self.shapes == self.shapes[0]).all())):
            first = self.shapes[0].tolist() if len(self) else [0] * self.shapes.shape[1]
            object.__setattr__(self, "_item", tuple(first))
        return self._item

    @property
    def uniform(self) -> Array:
        """All items as one ``(n, ...)`` view; a ShapeError if they differ in shape."""
        if self.item_shape is None:
            shapes = sorted({tuple(map(int, s)) for s in self.shapes})[:4]
            raise ShapeError(f"items differ in shape ({shapes} ...); use .items(), or .rows.")
        return self.data.reshape(len(self), *self.item_shape)

    @property
    def rows(self) -> tuple[Array, NDArray[np.int64]]:
        """Ragged first axis: ``(total_rows, ...)`` view and ``(n + 1,)`` row offsets."""
        if self.shapes.shape[1] == 0:
            raise ShapeError("scalars have no rows; use .uniform.")
        tail = self.shapes[0, 1:] if len(self) else self.shapes.sum(axis=0)[1:]
        if len(self) and not (self.shapes[:, 1:] == tail).all():
            raise ShapeError("items differ beyond their first axis; use .items().")
        offsets = np.zeros(len(self) + 1, np.int64)
        np.cumsum(self.shapes[:, 0], out=offsets[1:])
        return self.data.reshape(int(offsets[-1]), *tail), offsets

    def part(self, start: int, stop: int) -> Column:
        """Consecutive items; a view where all have one shape."""
        if self._item is None:
            return self.take(np.arange(start, stop))
        data = self.data[self.offsets[start] : self.offsets[stop]]
        return Column.regular(data, stop - start, self._item)

    def take(self, indices: Indices) -> Column:
        """The chosen items, copied, in the order given; indices or a mask as NumPy takes them."""
        index = np.arange(len(self))[np.asarray(indices) if len(indices) else []]
        if self.is_uniform:
            return Column.stack(self.uniform[index])
        if not len(index):
            return Column(self.data[:0], np.zeros(1, np.int64), self.shapes[:0])
        return Column.of([self.item(i) for i in index])


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Many samples as a struct of arrays; immutable by convention, items are views.

    Attributes:
        columns: Column by field name; all of one length.
        keys: Sample ids where they are known (computed only when a sample leaves its explorer).
        uris: URI by sample, for samples whose content lies elsewhere.
    """

    columns: Mapping[str, Column]
    keys: tuple[str, ...] | None = None
    uris: tuple[str | None, ...] | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        sizes = {len(column.offsets) - 1 for column in self.columns.values()}
        sizes |= {len(extra) for extra in (self.keys, self.uris) if extra is not None}
        if len(sizes) > 1:
            lengths = {name: len(column) for name, column in self.columns.items()}
            raise ShapeError(f"all fields of a batch need one length, got {lengths or sizes}.")
        object.__setattr__(self, "size", sizes.pop() if sizes else 0)

    @classmethod
    def stack(cls, **arrays: ArrayLike) -> Batch:
        """From ``(n, ...)`` arrays by name."""
        return cls({name: Column.stack(value, name) for name, value in arrays.items()})

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, ArrayLike]]) -> Batch:
        """From one mapping of arrays a sample; shapes may differ between samples."""
        if not rows:
            return cls({})
        for row in rows:
            if row.keys() != rows[0].keys():
                names = f"{sorted(rows[0])} and {sorted(row)}"
                raise ShapeError(f"all samples of a batch need the same fields; got {names}.")
        return cls({name: Column.of([row[name] for row in rows], name) for name in rows[0]})

    @classmethod
    def from_samples(cls, samples: Sequence[Sample]) -> Batch:
        """From samples, keeping their ids and URIs."""
        keys, uris = tuple(one.id for one in samples), tuple(one.uri for one in samples)
        columns = cls.of([sample.arrays for sample in samples]).columns
        return cls(columns, keys, uris if any(uri is not None for uri in uris) else None)

    @classmethod
    def concatenate(cls, batches: Iterable[Batch]) -> Batch:
        """One batch of all samples in order; empty batches are passed over."""
        parts = [batch for batch in batches if len(batch)]
        if len(parts) <= 1:
            return parts[0] if parts else cls({})
        names = set(parts[0].columns)
        if any(set(part.columns) != names for part in parts):
            raise ShapeError("batches with different fields cannot be concatenated.")
        columns = {name: _join([part.columns[name] for part in parts]) for name in parts[0].columns}
        keys = tuple(key for part in parts for key in part.keys or ())
        uris = tuple(uri for part in parts for uri in part.uris or (None,) * len(part))
        return cls(columns, keys if len(keys) == len(uris) else None, uris if any(uris) else None)

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        each = [f"{n} {c.item_shape if c.is_uniform else '(...)'}" for n, c in self.columns.items()]
        return f"<Batch of {self.size}: {', '.join(each)}>"

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Array:
        """The ``(n, ...)`` array of a field whose items have one shape."""
        if name not in self.columns:
            raise ShapeError(f"no field {name!r} in this batch; it has {sorted(self.columns)}.")
        return self.columns[name].uniform

    @property
    def ids(self) -> tuple[str, ...]:
        """Sample ids, computed where they are not known yet."""
        if self.keys is not None:
            return self.keys
        uris = self.uris or (None,) * self.size
        return tuple(digest_arrays(self.arrays(i), uri) for i, uri in enumerate(uris))

    def arrays(self, index: int) -> dict[str, Array]:
        """The named arrays of one sample, as views."""
        return {name: column.item(index) for name, column in self.columns.items()}

    def sample(self, index: int) -> Sample:
        """One sample, a view with its id."""
        arrays, uri = self.arrays(index), self.uris[index] if self.uris else None
        return Sample(arrays, uri, self.keys[index] if self.keys else digest_arrays(arrays, uri))

    def samples(self) -> tuple[Sample, ...]:
        """All samples, as views with their ids."""
        uris = self.uris or (None,) * self.size
        rows: list[dict[str, Array]] = [{} for _ in uris]
        for name, column in self.columns.items():
            for row, item in zip(rows, column.items(), strict=True):
                row[name] = item
        return tuple(map(Sample, rows, uris, self.ids))

    def take(self, indices: Indices) -> Batch:
        """The chosen samples, copied, in the order given; indices or a mask as NumPy takes them."""
        chosen = np.arange(self.size)[np.asarray(indices) if len(indices) else []]
        columns = {name: column.take(chosen) for name, column in self.columns.items()}
        keys = None if self.keys is None else tuple(self.keys[i] for i in chosen)
        uris = None if self.uris is None else tuple(self.uris[i] for i in chosen)
        return Batch(columns, keys, uris)

    def part(self, start: int, stop: int) -> Batch:
        """Consecutive samples; views where items have one shape."""
        if self.keys is not None or self.uris is not None:
            return self.take(np.arange(start, stop))
        return Batch({name: column.part(start, stop) for name, column in self.columns.items()})

    def with_ids(self) -> Batch:
        """The same batch with its ids computed."""
        return self if self.keys is not None else Batch(self.columns, self.ids, self.uris)


def _join(columns: Sequence[Column]) -> Column:
    if len({column.shapes.shape[1] for column in columns}) > 1:
        raise ShapeError("columns with different numbers of axes cannot be concatenated.")
    item = columns[0]._item
    if item is not None and all(column._item == item for column in columns):
        data = np.concatenate([column.data for column in columns])
        return Column.regular(data, sum(map(len, columns)), item)
    starts = np.cumsum([0, *(len(column.data) for column in columns)])
    offsets = [column.offsets[:-1] + start for column, start in zip(columns, starts, strict=False)]
    return Column(
        np.concatenate([column.data for column in columns]),
        np.concatenate([*offsets, starts[-1:]]).astype(np.int64),
        np.concatenate([column.shapes for column in columns]),
    )


_SHORT = 1024  # items up to which layouts are kept


@lru_cache(256)
def _layout(count: int, item: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets and shapes of ``count`` items of one shape, shared by many columns: read-only."""
    offsets = np.arange(count + 1, dtype=np.int64) * int(np.prod(item, dtype=np.int64))
    shapes = np.tile(np.asarray(item, np.int64), (count, 1))
    offsets.flags.writeable = shapes.flags.writeable = False
    return offsets, shapes
