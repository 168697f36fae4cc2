"""Two ways to keep rows of one size: packed pages, and a record an item in LMDB."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from querist.store.cache import ByteCache
from querist.store.pages import Pages


def caches(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Rows a second written and read, in chunks of 4,096, of outputs and of decoded images."""
    rng = np.random.default_rng(0)
    for name, shape, dtype in (
        ("10 probabilities", (10,), np.float32),
        ("image of 32 px", (32, 32, 3), np.uint8),
    ):
        keys = rng.integers(0, 255, (count, 16), np.uint8)
        data = rng.integers(0, 255, (count, *shape)).astype(dtype)
        shutil.rmtree(folder, ignore_errors=True)
        yield {"case": "caches", "rows": name, "items": count, **_kept(folder, keys, data)}
        shutil.rmtree(folder, ignore_errors=True)


def _kept(folder: Path, keys: np.ndarray, data: np.ndarray) -> dict[str, int]:
    count, pages = len(keys), Pages(folder / "pages")
    records = ByteCache(folder / "lmdb", 8 << 30)
    return {
        "pages_write": _rate(count, lambda at: pages.write(at, keys[at], data[at])),
        "lmdb_write": _rate(count, lambda at: records.put(_pairs(keys[at], data[at]))),
        "pages_read": _rate(count, lambda at: _whole(pages.read(at, keys[at])[0])),
        "lmdb_read": _rate(count, lambda at: _stacked(records, keys[at], data[:1])),
    }


def _rate(count: int, work: Callable[[np.ndarray], Any]) -> int:
    rows, began = np.arange(count), time.perf_counter()
    for at in range(0, count, 4096):
        work(rows[at : at + 4096])
    return round(count / (time.perf_counter() - began))


def _pairs(keys: np.ndarray, data: np.ndarray) -> list[tuple[bytes, bytes]]:
    return [(key.tobytes(), row.tobytes()) for key, row in zip(keys, data, strict=True)]


def _whole(found: np.ndarray) -> None:
    assert found.all()


def _stacked(records: ByteCache, keys: np.ndarray, like: np.ndarray) -> np.ndarray:
    found = records.get([key.tobytes() for key in keys])
    rows = [np.frombuffer(one, like.dtype).reshape(like.shape[1:]) for one in found if one]
    assert len(rows) == len(keys)
    return np.stack(rows)
