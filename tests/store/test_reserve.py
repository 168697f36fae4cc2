from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from querist.store import reserve, segments
from querist.store.errors import StoreFull
from querist.store.journal import JournalWriter
from querist.store.reader import JournalReader
from querist.store.reserve import Reserve


def test_it_takes_space_once_and_gives_it_back_once(tmp_path: Path) -> None:
    Reserve(tmp_path)
    made = Reserve(tmp_path)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= Reserve.size
    assert made.release()
    assert not made.release()
    assert not list(tmp_path.iterdir())


def test_without_posix_fallocate_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    assert Reserve(tmp_path).path.stat().st_size == Reserve.size


def test_where_there_is_no_room_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, size: int) -> None:
        os.write(fd, b"a part")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(reserve, "_allocate", full)
    assert not Reserve(tmp_path).release()
    assert not list(tmp_path.iterdir())


def test_a_journal_has_one_while_it_is_written(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "r")
    assert (tmp_path / "reserve").exists()
    writer.close()
    assert not (tmp_path / "reserve").exists()


@pytest.mark.parametrize("room", [0, 100, 1000])
def test_what_waits_when_the_disk_is_full_is_written_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    real, left = segments.os.pwrite, [room]

    def until_full(fd: int, view, at: int) -> int:
        if (tmp_path / "reserve").exists():
            if not left[0]:
                raise OSError(errno.ENOSPC, "full")
            view = view[: left[0]]
            left[0] -= len(view)
        return real(fd, view, at)

    writer = JournalWriter(tmp_path, "r")
    monkeypatch.setattr(segments.os, "pwrite", until_full)
    with pytest.raises(StoreFull):  # noqa: PT012 - how many are taken is for the threads to say
        for number in range(100_000):
            writer.append("fact", {"number": number})
    taken = writer.last_seq
    with pytest.raises(StoreFull, match=f"up to {taken} are durable"):
        writer.close()
    records = list(JournalReader(tmp_path).read_new())
    assert [record.data["number"] for record in records] == list(range(taken))
