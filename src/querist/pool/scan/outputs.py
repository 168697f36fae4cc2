"""Outputs of a whole part in one array on the disk, written by range and read as a memory map."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.store.errors import storage_error
from querist.store.files import sync_file, write_at

FOLDER = "outputs"


def outputs_path(folder: Path, part: str, need: str) -> Path:
    """Where the outputs of a part lie in a query's folder."""
    return folder / FOLDER / f"{part}.{need}.npy"


def write_rows(path: Path, count: int, start: int, rows: NDArray[Any]) -> None:
    """Write some rows of ``count`` and wait until they are on the disk.

    Raises:
        StoreFull, StoreFailed: If they cannot be written.
    """
    header = _header(rows.dtype, (count, *rows.shape[1:]))
    packed = np.ascontiguousarray(rows)
    try:
        path.parent.mkdir(exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            whole = len(header) + count * packed[:1].nbytes
            if os.fstat(file).st_size != whole:  # every worker would write the same
                os.pwrite(file, header, 0)
                os.ftruncate(file, whole)
            content = packed.reshape(-1).view(np.uint8).data
            write_at(file, content, len(header) + start * packed[:1].nbytes)
            sync_file(file)
        finally:
            os.close(file)
    except OSError as error:
        raise storage_error(error, path, "writing outputs of the model") from error


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    held = io.BytesIO()
    told = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(held, told)
    return held.getvalue()


def read_rows(path: Path) -> NDArray[Any]:
    """The whole array, as a memory map."""
    found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def remove_outputs(folder: Path) -> None:
    """Remove what is no longer needed once the picks are durable, or will never be."""
    for path in _found(folder):
        path.unlink(missing_ok=True)


def _found(folder: Path) -> Iterator[Path]:
    return (folder / FOLDER).glob("*.npy")
