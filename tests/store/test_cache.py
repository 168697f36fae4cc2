"""Bytes by key in LMDB."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from querist.store.cache import ByteCache, cache_key
from querist.store.errors import StoreFailed

KEYS = [cache_key("a", str(number)) for number in range(100)]


PUT = """
import sys
from pathlib import Path
from querist.store.cache import ByteCache, cache_key
folder, first = sys.argv[1], int(sys.argv[2])
keys = [cache_key("a", str(number)) for number in range(first, first + 10)]
ByteCache(Path(folder), 1 << 24).put([(key, b"x" * 100) for key in keys])
"""


def test_what_was_put_is_got(tmp_path: Path) -> None:
    cache = ByteCache(tmp_path / "cache", 1 << 24)
    assert cache.get(KEYS[:2]) == [None, None]
    cache.put([(KEYS[0], b"zero"), (KEYS[1], b"")])
    assert cache.get(KEYS[:3]) == [b"zero", b"", None]
    assert ByteCache(tmp_path / "cache", 1 << 24).get(KEYS[:1]) == [b"zero"]


def test_keys_depend_on_all_parts() -> None:
    assert len({cache_key("ab", "c"), cache_key("a", "bc"), cache_key("a", "b", "c")}) == 3


def test_it_may_be_deleted_at_any_moment(tmp_path: Path) -> None:
    cache = ByteCache(tmp_path / "cache", 1 << 24)
    cache.put([(KEYS[0], b"zero")])
    shutil.rmtree(tmp_path / "cache")
    assert cache.get(KEYS[:1]) == [None]
    cache.put([(KEYS[1], b"one")])
    assert cache.get(KEYS[:2]) == [None, b"one"]


def test_its_size_is_limited_and_the_newest_stay(tmp_path: Path) -> None:
    limit = 4 << 20
    cache = ByteCache(tmp_path / "cache", limit)
    for key in KEYS:
        cache.put([(key, key * 5000)])  # 100 kB each
    size = sum(path.stat().st_blocks * 512 for path in tmp_path.rglob("data.mdb"))
    assert size <= limit + (1 << 16)
    found = cache.get(KEYS)
    assert found[-1] == KEYS[-1] * 5000
    assert found[0] is None
    assert 5 < sum(one is not None for one in found) < 50


def test_what_is_too_large_is_left_out(tmp_path: Path) -> None:
    cache = ByteCache(tmp_path / "cache", 2 << 20)
    cache.put([(KEYS[0], bytes(1 << 20)), (KEYS[1], b"small")])
    assert cache.get(KEYS[:2]) == [None, b"small"]


def test_keys_are_erased(tmp_path: Path) -> None:
    cache = ByteCache(tmp_path / "cache", 1 << 24)
    cache.put([(key, b"secret") for key in KEYS[:3]])
    cache.erase(KEYS[1:2])
    assert cache.get(KEYS[:3]) == [b"secret", None, b"secret"]


def test_processes_share_it(tmp_path: Path) -> None:
    cache = ByteCache(tmp_path / "cache", 1 << 24)
    cache.put([(KEYS[50], b"mine")])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PUT, str(tmp_path / "cache")]
    workers = [subprocess.Popen([*command, str(10 * n)], env=env) for n in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert cache.get(KEYS[:20]) == [b"x" * 100] * 20
    assert cache.get(KEYS[50:51]) == [b"mine"]


def test_where_it_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreFailed, match="cannot be opened"):
        ByteCache(tmp_path / "file" / "cache", 1 << 24).put([(KEYS[0], b"x")])
