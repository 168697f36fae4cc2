"""Values to bytes and back: a JSON head, then arrays as they lie in memory.

The *body* of a record is its head, padded with spaces to a multiple of 8 bytes, then one
little-endian, C-ordered buffer per array, each padded with zeros to a multiple of 8 bytes:

    {"k": kind, "d": data, "a": [[name, dtype, shape], ...]}␣␣ | buffer 0 | buffer 1 | ...

Decoding checks everything it reads, so that bytes from strangers raise `DamagedFile`
and can do nothing else; there is no pickle.
"""

from __future__ import annotations

import ast
import json
import math
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.store.errors import DamagedFile, NotStorable, TooLarge

Array = NDArray[Any]
Arrays = Mapping[str, Array]
NO_ARRAYS: Arrays = MappingProxyType({})

_PLAIN_DTYPE = re.compile(r"[<|][?bBiufcSUVmM]\d*(\[[0-9A-Za-z]+\])?")
_PARCEL = struct.Struct("<8sIIQd")  # magic, crc32, length of head, length of body, instant
_PARCEL_MAGIC = b"QPARCEL1"
_SMALL = 2048  # bytes


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One fact as it lies in a journal.

    Attributes:
        seq: Its number, counted from 1 without gaps.
        kind: What it says, for example "answered".
        data: A JSON object. Tuples come back as lists; NaN and infinities come back.
        arrays: Named arrays; read-only views of the bytes that were read.
        at: When it was appended, in seconds since 1970 by the writer's clock.
    """

    seq: int
    kind: str
    data: Mapping[str, Any]
    arrays: Arrays = field(default_factory=lambda: NO_ARRAYS)
    at: float = 0.0


# -- dtypes ---------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def wire_dtype(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], str]:
    """The little-endian form of a dtype and its name on disk.

    Raises:
        NotStorable: The dtype holds Python objects, or NumPy cannot rebuild it from its name.
    """
    if dtype.hasobject:
        raise NotStorable(
            f"Arrays of dtype {dtype} hold Python objects, which are never stored. "
            "Convert to a fixed-size dtype (numbers, bool, 'U' or 'S' strings)."
        )
    wire = dtype.newbyteorder("<")
    name = _name_of(wire)
    if name is None:
        raise NotStorable(
            f"Arrays of dtype {dtype} cannot be stored: NumPy cannot rebuild the dtype from its "
            "description. Convert to a standard dtype (for bfloat16, to float32)."
        )
    return wire, name


def _name_of(wire: np.dtype[Any]) -> str | None:
    """The name of a dtype, if the dtype can be rebuilt from it."""
    try:
        name = wire.str if wire.names is None else repr(np.lib.format.dtype_to_descr(wire))
        return name if parse_dtype(name) == wire else None
    except (ValueError, TypeError, DamagedFile):
        return None


@lru_cache(maxsize=1024)
def parse_dtype(name: str) -> np.dtype[Any]:
    """The dtype with a name on disk.

    Raises:
        DamagedFile: It is no such name.
    """
    try:
        if _PLAIN_DTYPE.fullmatch(name):
            dtype = np.dtype(name)
        elif name.startswith("["):
            dtype = np.lib.format.descr_to_dtype(ast.literal_eval(name))
        else:
            raise ValueError("no known form")
    except (ValueError, TypeError, SyntaxError, IndexError, MemoryError, RecursionError) as error:
        raise DamagedFile(f"{name[:80]!r} is not the name of a dtype ({error}).") from error
    if dtype.hasobject:
        raise DamagedFile(f"The dtype {name[:80]!r} holds Python objects, which are never read.")
    return dtype


def wire_array(name: str, value: Any) -> tuple[Array, str]:
    """An array as it is stored: C-ordered and little-endian; and the name of its dtype.

    Raises:
        NotStorable: Its dtype cannot be stored, or it has a mask, which would be lost.
    """
    if type(value) is not np.ndarray and isinstance(value, np.ma.MaskedArray):
        raise NotStorable(
            f"The array {name!r} has a mask, which the format cannot hold. "
            "Store its data and its mask as two arrays."
        )
    array = np.asarray(value)
    try:
        wire, dtype = wire_dtype(array.dtype)
    except NotStorable as error:
        raise NotStorable(f"The array {name!r} cannot be stored. {error}") from None
    if array.dtype == wire and array.flags.c_contiguous:
        return array, dtype
    return np.asarray(array, dtype=wire, order="C"), dtype


def buffer_of(array: Array) -> Array | bytes:
    """The bytes of a C-ordered array: a flat uint8 view, or a copy where that is quicker."""
    if array.nbytes < _SMALL:
        return array.tobytes()
    return array.reshape(-1).view(np.uint8) if array.nbytes else b""


def view_of(buffer: bytes | memoryview, offset: int, dtype: str, shape: tuple[int, ...]) -> Array:
    """A read-only array that lies in a buffer.

    Raises:
        DamagedFile: The dtype or shape is impossible, or the buffer is too short.
    """
    kind = parse_dtype(dtype)
    try:
        if math.prod(shape) * kind.itemsize == 0:
            array: Array = np.ndarray(shape, kind)
            array.flags.writeable = False
            return array
        return np.ndarray(shape, kind, buffer=buffer, offset=offset)
    except (ValueError, TypeError, MemoryError) as error:
        raise DamagedFile(f"No {dtype} array of shape {shape} lies there ({error}).") from error


# -- JSON -----------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a value of type {type(value).__name__} is not JSON")


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    """What gives a value's JSON in pieces: one for all, where `json.dumps` makes one a call."""
    slow = json.JSONEncoder(separators=(",", ":"), default=_plain, check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # not CPython
        return lambda value, _: slow.iterencode(value)
    text = json.encoder.encode_basestring_ascii
    encode: Callable[[Any, int], Iterable[str]] = make(
        None, _plain, text, None, ":", ",", False, False, True
    )
    return encode


_encode = _encoder()


def encode_json(value: Any) -> bytes:
    """Compact ASCII JSON; NumPy scalars become numbers.

    Raises:
        NotStorable: The value is not JSON-able.
    """
    try:
        return "".join(_encode(value, 0)).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise NotStorable(
            f"Data must be a JSON object (dict, list, str, number, bool, None): {error}. "
            "Put arrays among the arrays; turn other values into strings or numbers."
        ) from error


def decode_json(text: bytes) -> Any:
    """Parse JSON.

    Raises:
        DamagedFile: It is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"A JSON head cannot be parsed ({error}).") from error


# -- bodies ---------------------------------------------------------------------------------


def encode_body(kind: str, data: Mapping[str, Any], arrays: Arrays) -> tuple[int, bytes]:
    """Encode what a record says; the arrays are copied, so the caller may change them after.

    Returns:
        The length of the padded head, and the whole body.

    Raises:
        NotStorable: A value or dtype cannot be stored.
    """
    head: dict[str, Any] = {"k": kind, "d": data if type(data) is dict else dict(data)}
    if not arrays:
        text = encode_json(head)
        text += b" " * (-len(text) % 8)
        return len(text), text
    wired = {name: wire_array(name, value) for name, value in arrays.items()}
    head["a"] = [[name, dtype, array.shape] for name, (array, dtype) in wired.items()]
    text = encode_json(head)
    text += b" " * (-len(text) % 8)
    pieces: list[Any] = [text]
    for array, _ in wired.values():
        pieces += (buffer_of(array), b"\0" * (-array.nbytes % 8))
    return len(text), b"".join(pieces)


def decode_body(
    body: bytes | memoryview, head_length: int
) -> tuple[str, dict[str, Any], dict[str, Array]]:
    """Decode what `encode_body` gave.

    Returns:
        Kind, data, and arrays that are views of `body`.

    Raises:
        DamagedFile: The bytes are not a body.
    """
    head = decode_json(bytes(body[:head_length]))
    if not isinstance(head, dict):
        raise DamagedFile("A record's head is not a JSON object.")
    kind, data, described = head.get("k"), head.get("d"), head.get("a", [])
    if not (isinstance(kind, str) and isinstance(data, dict) and isinstance(described, list)):
        raise DamagedFile('A record\'s head lacks a text "k", an object "d" or a list "a".')
    arrays: dict[str, Array] = {}
    offset = head_length
    for item in described:
        name, dtype, shape = _described(item)
        array = view_of(body, offset, dtype, shape)
        arrays[name] = array
        offset += array.nbytes + -array.nbytes % 8
    if offset != len(body):
        raise DamagedFile(f"A body of {len(body)} bytes describes {offset} bytes.")
    return kind, data, arrays


def _described(item: Any) -> tuple[str, str, tuple[int, ...]]:
    match item:
        case [str(name), str(dtype), list(shape)] if all(
            type(n) is int and 0 <= n < 2**48 for n in shape
        ):
            return name, dtype, tuple(shape)
    raise DamagedFile(f"{str(item)[:80]} does not describe an array (name, dtype, shape).")


# -- parcels: one record alone in a file ----------------------------------------------------


def pack_parcel(
    kind: str, data: Mapping[str, Any], arrays: Arrays, limit: int | None = None
) -> bytes:
    """One record as the whole content of a file, with its checksum.

    Raises:
        NotStorable: A value or dtype cannot be stored.
        TooLarge: It would have more than `limit` bytes.
    """
    head_length, body = encode_body(kind, data, arrays)
    size = _PARCEL.size + len(body)
    if limit is not None and size > limit:
        raise TooLarge(
            f"A {kind!r} message of {size} bytes is larger than the limit of {limit}. "
            "Put the arrays into a file and send its name, or raise the limit."
        )
    at = time.time()
    sums = struct.pack("<IQd", head_length, len(body), at)
    crc = zlib.crc32(body, zlib.crc32(sums))
    return _PARCEL.pack(_PARCEL_MAGIC, crc, head_length, len(body), at) + body


def unpack_parcel(content: bytes) -> Record:
    """Decode and verify what `pack_parcel` gave; the record has `seq` 0.

    Raises:
        DamagedFile: The content is anything else.
    """
    if len(content) < _PARCEL.size or not content.startswith(_PARCEL_MAGIC):
        raise DamagedFile("The file does not begin like a message of Querist.")
    _, crc, head_length, length, at = _PARCEL.unpack_from(content)
    body = memoryview(content)[_PARCEL.size :]
    sums = struct.pack("<IQd", head_length, length, at)
    if length != len(body) or zlib.crc32(body, zlib.crc32(sums)) != crc:
        raise DamagedFile("The file is incomplete or its checksum is wrong.")
    kind, data, arrays = decode_body(body, head_length)
    return Record(0, kind, data, arrays, at)
