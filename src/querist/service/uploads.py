"""What an uploaded file must look like, by its first bytes and its structure. Nothing is loaded."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zipfile
from pathlib import Path

from querist.service.problems import Refused

_LONGEST_HEADER = 8 << 20  # of a hundred thousand tensors; in memory it is tenfold
_LONGEST_LIST = 2 << 20  # of the parts of an archive, likewise
_MOST_PARTS, _MOST_RATIO = 10_000, 200
# A StringStringEntryProto {key: "location"}: field 1, length 8. Readers of protocol buffers also
# take these two numbers with bytes that add nothing.
_LOCATION = re.compile(rb"(?:\x0a|\x8a\x80{0,8}\x00)(?:\x08|\x88\x80{0,8}\x00)location")


def check_upload(path: Path, kind: str) -> None:
    """Refuse a file that is not of its kind.

    Raises:
        Refused: With what is wrong.
    """
    checks = {"safetensors": _safetensors, "onnx": _onnx, "skops": _skops}
    try:
        checks[kind](path)
    except (ValueError, KeyError, TypeError, struct.error, zipfile.BadZipFile, RecursionError):
        raise Refused("invalid", f"The body is not a {kind} file.") from None


def _safetensors(path: Path) -> None:
    """A length, a JSON header of that length, and tensors that lie within the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_LONGEST_HEADER, size - 8):
            raise ValueError
        header = json.loads(file.read(length))
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            if not 0 <= begin <= end <= size - 8 - length:
                raise ValueError


def _onnx(path: Path) -> None:
    """A protocol buffer that begins as a model does; weights outside the file are refused."""
    with path.open("rb") as file:
        first = file.read(2)
        if len(first) < 2 or first[0] != 0x08:  # field 1, a number: the version of the format
            raise ValueError
        file.seek(0)
        overlap = b""
        while chunk := file.read(1 << 20):
            # External data name a file beside the model: the server's own, if we let them.
            if b"external_data" in overlap + chunk or _LOCATION.search(overlap + chunk):
                raise Refused("invalid", "The ONNX file should hold its weights itself.")
            overlap = chunk[-64:]


def _skops(path: Path) -> None:
    """A zip archive with a schema, no paths that lead elsewhere, and no bomb."""
    with _Sipped(path) as file, zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        names = {part.filename for part in parts}
        whole = sum(part.file_size for part in parts)
        packed = max(1, path.stat().st_size)
        if "schema.json" not in names or len(parts) > _MOST_PARTS:
            raise ValueError
        if any(name.startswith("/") or ".." in name.split("/") for name in names):
            raise ValueError
        if whole > _MOST_RATIO * packed:
            raise Refused("invalid", "The archive unpacks to far more than it is.")
        if any(name.endswith((".pkl", ".pickle")) for name in names):
            raise Refused("invalid", "Pickles are not read here.")


class _Sipped(io.FileIO):
    """A file that gives little at a time: of an archive all parts are listed before one is seen."""

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or the rest."""
        left = os.fstat(self.fileno()).st_size - self.tell()
        if (left if size is None or size < 0 else size) > _LONGEST_LIST:
            raise ValueError
        return super().read(-1 if size is None else size) or b""
