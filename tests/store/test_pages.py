"""Rows of one size by number, in files that may vanish, be torn or be full."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.store import pages as module
from querist.store.errors import StoreError, StoreFailed, StoreFull
from querist.store.pages import Pages, evict, page_files, sums


def keys(rows: np.ndarray, salt: int = 1) -> np.ndarray:
    made = np.random.default_rng(salt).integers(1, 255, (int(rows.max()) + 1, 16), np.uint8)
    return made[rows]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    rows, data = np.array([3, 4, 5, 70_000, 70_002]), np.arange(30, dtype=np.float32).reshape(5, 6)
    Pages(tmp_path / "a").write(rows, keys(rows), data)
    found, read = Pages(tmp_path / "a").read(rows, keys(rows))
    assert found.all()
    np.testing.assert_array_equal(read, data)
    assert read.dtype == np.float32


@pytest.mark.parametrize("rows", [[3, 4, 5, 6], [1, 4, 5, 70_000]], ids=["dense", "gaps"])
def test_rows_are_read_into_the_memory_that_is_given(tmp_path: Path, rows: list[int]) -> None:
    wanted, given = np.array(rows), list[np.ndarray]()

    def take(size: int) -> np.ndarray:
        given.append(np.full(size, 99, np.uint8))
        return given[-1]

    pages, data = Pages(tmp_path), np.arange(24, dtype=np.float32).reshape(4, 6)
    assert pages.read(wanted, keys(wanted), take)[1] is None
    pages.write(wanted, keys(wanted), data)
    missing = wanted + 200_000
    assert pages.read(missing, keys(missing), take)[1] is None
    assert not given  # nothing is there, so nothing is asked for
    found, read = pages.read(wanted, keys(wanted), take)
    assert found.all()
    np.testing.assert_array_equal(read, data)
    assert [len(memory) for memory in given] == [data.nbytes]
    assert np.shares_memory(read, given[0])


def test_a_row_counts_only_under_its_key(tmp_path: Path) -> None:
    rows, data = np.arange(4), np.ones((4, 3), np.uint8)
    pages = Pages(tmp_path)
    pages.write(rows, keys(rows), data)
    other = keys(rows)
    other[2] ^= 1
    other[3] = 0  # an unknown content
    assert pages.read(rows, other)[0].tolist() == [True, True, False, False]
    assert pages.read(np.arange(4, 8), keys(np.arange(4, 8)))[0].tolist() == [False] * 4


def test_zeros_are_no_key(tmp_path: Path) -> None:
    pages, nothing = Pages(tmp_path), np.zeros((2, 16), np.uint8)
    pages.write(np.arange(2), nothing, np.zeros((2, 3), np.uint8))
    assert not pages.read(np.arange(2), nothing)[0].any()


def test_a_torn_row_is_not_there(tmp_path: Path) -> None:
    rows, data = np.arange(3), np.arange(300, dtype=np.uint8).reshape(3, 100)
    pages = Pages(tmp_path)
    pages.write(rows, keys(rows), data)
    [(_, _, path)] = page_files(tmp_path)
    content = bytearray(path.read_bytes())
    at = content.index(data[1].tobytes())
    content[at + 50 : at + 100] = bytes(50)
    path.write_bytes(content)
    assert pages.read(rows, keys(rows))[0].tolist() == [True, False, True]
    path.write_bytes(content[:80])  # cut
    assert not pages.read(rows, keys(rows))[0].any()
    pages.write(rows, keys(rows), data)  # and used again
    assert pages.read(rows, keys(rows))[0].all()


@pytest.mark.parametrize("vanishes", ["folder", "page", "meta"])
def test_it_may_vanish_at_any_moment(tmp_path: Path, vanishes: str) -> None:
    rows, data, folder = np.arange(3), np.ones((3, 5), np.int16), tmp_path / "cache"
    pages = Pages(folder)
    pages.write(rows, keys(rows), data)
    if vanishes == "folder":
        shutil.rmtree(folder)
    else:
        next(folder.glob("*.page" if vanishes == "page" else "meta.json")).unlink()
    pages.read(rows, keys(rows))
    pages.write(rows, keys(rows), data)
    assert Pages(folder).read(rows, keys(rows))[0].all()


def test_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    rows = np.arange(2)
    Pages(tmp_path).write(rows, keys(rows), np.ones((2, 3), np.float32))
    with pytest.raises(StoreError, match="holds rows of"):
        Pages(tmp_path).write(rows, keys(rows), np.ones((2, 4), np.float32))


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "pwrite", full)
    with pytest.raises(StoreFull):
        Pages(tmp_path).write(np.arange(2), keys(np.arange(2)), np.ones((2, 3)))


def test_rows_are_erased(tmp_path: Path) -> None:
    rows, data = np.arange(5), np.full((5, 7), 9, np.uint8)
    pages = Pages(tmp_path)
    pages.write(rows, keys(rows), data)
    pages.erase(np.array([3, 1]))
    assert pages.read(rows, keys(rows))[0].tolist() == [True, False, True, False, True]
    [(_, _, path)] = page_files(tmp_path)
    assert path.read_bytes().count(9) == 3 * 7 + np.count_nonzero(keys(rows)[[0, 2, 4]] == 9)


def test_pages_used_long_ago_go_first(tmp_path: Path) -> None:
    pages, data = Pages(tmp_path), np.ones((1, 1 << 20), np.uint8)
    for row in (0, 40, 80):
        pages.write(np.array([row]), keys(np.array([row])), data)
    files = sorted(path for _, _, path in page_files(tmp_path))
    for age, path in enumerate(files):
        os.utime(path, (1000 - age, 1000 - age))
    Pages(tmp_path).read(np.array([80]), keys(np.array([80])))  # now used
    total = sum(size for _, size, _ in page_files(tmp_path))
    assert evict(tmp_path, total) == 0
    evict(tmp_path, total // 2)
    assert [path for _, _, path in page_files(tmp_path)] == [files[2]]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_order_of_writes_gives_the_last_one(tmp_path_factory, data) -> None:
    pages = Pages(tmp_path_factory.mktemp("pages"))
    kept: dict[int, int] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        rows = np.array(sorted(data.draw(st.sets(st.integers(0, 200_000), min_size=1))))
        value = data.draw(st.integers(0, 255))
        pages.write(rows, keys(np.arange(200_001))[rows], np.full((len(rows), 3), value, np.uint8))
        kept |= dict.fromkeys(rows.tolist(), value)
    asked = np.array(sorted({*kept, *data.draw(st.sets(st.integers(0, 200_000)))}))
    found, read = pages.read(asked, keys(np.arange(200_001))[asked])
    assert found.tolist() == [row in kept for row in asked.tolist()]
    assert read is not None
    assert read[found, 0].tolist() == [kept[row] for row in asked.tolist() if row in kept]


@given(st.binary(min_size=8, max_size=40), st.integers(0, 7), st.integers(1, 255))
def test_a_sum_tells_a_changed_byte(row: bytes, at: int, change: int) -> None:
    one = np.frombuffer(row, np.uint8)[None]
    other = one.copy()
    other[0, at] ^= change
    assert (sums(one) != sums(other)).any()


@pytest.mark.parametrize("when", ["before its description", "before a page"])
def test_a_folder_that_vanishes_is_made_anew(tmp_path, monkeypatch, when) -> None:
    pages = Pages(tmp_path / "pages")
    name = "atomic_write" if when == "before its description" else "_write_page"
    place = module if name == "atomic_write" else Pages
    real, left = getattr(place, name), [2]

    def vanishing(*args, **more):
        if left[0]:
            left[0] -= 1
            shutil.rmtree(tmp_path / "pages", ignore_errors=True)
            raise FileNotFoundError(2, "gone")
        return real(*args, **more)

    monkeypatch.setattr(place, name, vanishing)
    rows, keys = np.arange(3), np.ones((3, 16), np.uint8)
    pages.write(rows, keys, np.eye(3, dtype=np.float32))
    found, data = pages.read(rows, keys)
    assert found.all()
    np.testing.assert_array_equal(data, np.eye(3))
    left[0] = 100
    with pytest.raises(StoreFailed, match="ENOENT"):
        Pages(tmp_path / "others").write(rows, keys, np.eye(3, dtype=np.float32))


def test_a_folder_that_vanishes_while_it_is_made_is_made_again(tmp_path, monkeypatch) -> None:
    real, told = Path.mkdir, []

    def racing(folder, *args, **more):  # as mkdir says where it lost a race against rmtree
        if not told:
            told.append(folder)
            raise FileExistsError(17, "it was there")
        return real(folder, *args, **more)

    monkeypatch.setattr(Path, "mkdir", racing)
    rows, keys = np.arange(3), np.ones((3, 16), np.uint8)
    pages = Pages(tmp_path / "pages")
    pages.write(rows, keys, np.eye(3, dtype=np.float32))
    assert told
    assert pages.read(rows, keys)[0].all()
