"""Named arrays in one safetensors file, with a digest that the file itself carries.

safetensors knows bool, integers, floats and complex64. Arrays of other dtypes (complex128,
strings, instants, structured) are stored as bytes, and their dtype and shape in the
metadata; other programs see them as uint8.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.store.codec import (
    Array,
    Arrays,
    buffer_of,
    decode_json,
    encode_json,
    view_of,
    wire_array,
)
from querist.store.errors import DamagedFile, NotStorable
from querist.store.files import atomic_write

# NumPy's one-letter codes of the dtypes that safetensors has.
_NATIVE = frozenset(np.dtype(code).newbyteorder("<") for code in "?bBhHiIlLqQefdF")
_KEY = "querist"
_BLANK = b"0" * 64
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFile:
    """What was read from a file.

    Attributes:
        arrays: Named arrays, read-only.
        metadata: The JSON object saved beside them.
        digest: SHA-256 of the file, its own field for the digest taken as zeros; hexadecimal.
    """

    arrays: dict[str, Array]
    metadata: dict[str, Any]
    digest: str


def save_arrays(
    path: Path | str,
    arrays: Arrays,
    metadata: Mapping[str, Any] | None = None,
    *,
    sync: bool = True,
) -> str:
    """Save arrays atomically.

    Args:
        path: Of the file, replaced where it exists.
        arrays: Any shape; any dtype without Python objects.
        metadata: A JSON object.
        sync: Whether to wait until the file is on the disk.

    Returns:
        The digest, for `load_arrays`.

    Raises:
        NotStorable: An array or the metadata cannot be stored.
        StoreFull, StoreFailed: The file could not be written.
    """
    content, digest = _encode(arrays, dict(metadata or {}))
    atomic_write(Path(path), content, sync=sync)
    return digest


def load_arrays(path: Path | str, digest: str | None = None) -> ArrayFile:
    """Load and verify what `save_arrays` wrote.

    Args:
        path: Of the file.
        digest: What `save_arrays` returned. Damage is noticed without it; it proves in
            addition that this is that very file.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFile: It is not what was saved.
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        loaded = _decode(content)
    except DamagedFile as error:
        raise DamagedFile(f"{path} is damaged: {error} Use another copy of it.") from error
    if digest is not None and digest != loaded.digest:
        raise DamagedFile(
            f"{path} has the digest {loaded.digest}, not {digest}: it is not the file that was "
            "asked for. Use the one that was recorded."
        )
    return loaded


def _encode(arrays: Arrays, metadata: dict[str, Any]) -> tuple[bytes, str]:
    from safetensors import SafetensorError
    from safetensors.numpy import save

    tensors, encoded = {}, {}
    for name, value in arrays.items():
        if name == "__metadata__":
            raise NotStorable("safetensors keeps the name '__metadata__' to itself; rename it.")
        array, dtype = wire_array(name, value)
        if array.dtype in _NATIVE:
            tensors[name] = array
        else:
            encoded[name] = [dtype, array.shape]
            tensors[name] = np.frombuffer(buffer_of(array), np.uint8)
    # The digest comes first, so that the first 64 zeros of the file are its place.
    said = {"sha256": _BLANK.decode(), "encoded": encoded, "metadata": metadata}
    try:
        content = save(tensors, {_KEY: encode_json(said).decode()})
    except (SafetensorError, UnicodeEncodeError) as error:
        raise NotStorable(f"safetensors refuses the arrays {list(tensors)}: {error}.") from error
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(_BLANK, digest.encode(), 1), digest


def _decode(content: bytes) -> ArrayFile:
    said = _said(content)
    digest = said["sha256"]
    if _digest_of(content, content.index(digest.encode())) != digest:
        raise DamagedFile("its content does not have the digest it names.")
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise DamagedFile(f"safetensors cannot read it ({error}).") from error
    for name, (dtype, shape) in said["encoded"].items():
        arrays[name] = view_of(arrays[name].tobytes(), 0, dtype, tuple(shape))
    for array in arrays.values():
        array.flags.writeable = False
    return ArrayFile(arrays, said["metadata"], digest)


def _digest_of(content: bytes, place: int) -> str:
    """The digest of a file that holds one at ``place``, without copying it or holding the GIL."""
    found = hashlib.sha256(content[:place])
    found.update(_BLANK)
    found.update(memoryview(content)[place + len(_BLANK) :])
    return found.hexdigest()


def _said(content: bytes) -> dict[str, Any]:
    """The metadata of ours, read from the head of the file."""
    if len(content) < _LENGTH.size:
        raise DamagedFile("it is too short.")
    (length,) = _LENGTH.unpack_from(content)
    if length > len(content):
        raise DamagedFile("it is incomplete.")
    head = decode_json(content[_LENGTH.size : _LENGTH.size + length])
    try:
        said = json.loads(head["__metadata__"][_KEY])
        digest, encoded, metadata = said["sha256"], said["encoded"], said["metadata"]
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile("it was not written by Querist.") from error
    if not (
        isinstance(digest, str)
        and len(digest) == 64
        and isinstance(encoded, dict)
        and isinstance(metadata, dict)
    ):
        raise DamagedFile("it was not written by Querist.")
    return {"sha256": digest, "encoded": encoded, "metadata": metadata}
