"""One small vocabulary for NumPy arrays and torch tensors.

``namespace(x)`` is the module whose functions take ``x``: NumPy or torch. Use what both have under
one name: ``log``, ``exp``, ``sqrt``, ``where``, ``maximum`` (of two arrays), ``minimum``, ``sum``,
``mean``, ``amax``, ``amin``, ``argmax``, ``abs``, ``einsum``, ``cumsum`` (with ``axis=`` and
``keepdims=``), and ``@``. The functions below are for the rest.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from querist.strategies import tensors

Array: TypeAlias = Any
"""A NumPy array or a torch tensor."""


def namespace(array: Array) -> Any:
    """NumPy, or torch where ``array`` is a tensor."""
    return tensors.torch() if tensors.is_tensor(array) else np


def host(array: Array) -> Array:
    """As a NumPy array. For what is small: indices, scores."""
    return tensors.host(array) if tensors.is_tensor(array) else np.asarray(array)


def is_floating(array: Array) -> bool:
    """Whether it can hold NaN or infinity."""
    if tensors.is_tensor(array):
        return tensors.is_floating(array)
    return np.issubdtype(array.dtype, np.floating)


def float64(array: Array) -> Array:
    """As float64, on its device; a float64 array is returned as it is."""
    return tensors.float64(array) if tensors.is_tensor(array) else array.astype(float, copy=False)


def dense(array: Array) -> Array:
    """As float64 on its device with the numbers of a row side by side, so that sums round alike."""
    wide = float64(array)
    return wide.contiguous() if tensors.is_tensor(wide) else np.ascontiguousarray(wide)


def float32(array: Array) -> Array:
    """As float32, on its device; a float32 array is returned as it is."""
    if tensors.is_tensor(array):
        return tensors.float32(array)
    return array.astype(np.float32, copy=False)


def product_epsilon(like: Array) -> float:
    """Relative rounding of a float32 matrix product of such arrays."""
    return tensors.product_epsilon() if tensors.is_tensor(like) else float(np.finfo(np.float32).eps)


def columns(array: Array) -> Array:
    """A float64 copy of ``(n, ...)`` whose columns lie together in memory.

    Arithmetic along short trailing axes (classes, members) is then several times faster, and adds
    up in the same order whatever the length of the block.
    """
    if tensors.is_tensor(array):
        return tensors.float64(array)
    out = np.empty((*array.shape[1:], len(array)))
    out = np.moveaxis(out, -1, 0)
    out[...] = array
    return out


def filled(shape: int | tuple[int, ...], value: float, dtype: str, like: Array) -> Array:
    """A new array of one value beside ``like``: the same library, the same device."""
    shape = shape if isinstance(shape, tuple) else (shape,)
    if tensors.is_tensor(like):
        return tensors.filled(shape, value, dtype, like)
    return np.full(shape, value, dtype=dtype)


def beside(array: Array, like: Array) -> Array:
    """An array in the library and on the device of another."""
    if tensors.is_tensor(like):
        return tensors.moved(array, like)
    return host(array)


def rows_at(array: Array, indices: NDArray[np.int64]) -> Array:
    """``array[indices]``, a copy on its device."""
    if tensors.is_tensor(array):
        return array[tensors.index(indices, array)]
    return array[indices]


def put(array: Array, indices: NDArray[np.int64], values: Array) -> None:
    """``array[indices] = values`` in place."""
    if tensors.is_tensor(array):
        array[tensors.index(indices, array)] = values
    else:
        array[indices] = values


def add_rows(sums: Array, where: NDArray[np.int64], rows: Array) -> None:
    """``sums[where[i]] += rows[i]`` in place, for every i; both float64."""
    if tensors.is_tensor(sums):
        sums.index_add_(0, tensors.index(where, sums), rows)
        return
    order = np.argsort(where, kind="stable")
    borders = np.flatnonzero(np.diff(where[order], prepend=-1))
    sums[where[order[borders]]] += np.add.reduceat(rows[order], borders, axis=0)


def where_true(mask: Array) -> NDArray[np.int64]:
    """Indices of what is true in a vector, on the host."""
    return np.asarray(host(namespace(mask).where(mask)[0]), np.int64)


def dots(one: Array, other: Array) -> Array:
    """``(k,)`` inner products of the rows of two ``(k, d)`` arrays."""
    if tensors.is_tensor(one):
        return tensors.dots(one, other)
    return np.einsum("ij,ij->i", one, other)


def xlogx(p: Array) -> Array:
    """``p log p`` in nats, with ``0 log 0 = 0``."""
    xp = namespace(p)
    tiny = filled((), 1e-300, "float64", p)
    return p * xp.log(xp.maximum(p, tiny))


def smallest(array: Array, count: int) -> Array:
    """The ``count`` lowest numbers of each row of ``(p, k)``, in no order; all where k is less."""
    if array.shape[1] <= count:
        return array
    if tensors.is_tensor(array):
        return tensors.smallest(array, count)
    return np.partition(array, count - 1, axis=1)[:, :count]
