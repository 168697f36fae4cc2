"""Real kills and real full disks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from querist.store.errors import StoreFull
from querist.store.journal import JournalWriter
from querist.store.reader import JournalReader
from querist.store.reserve import Reserve


@pytest.mark.kill
@pytest.mark.parametrize("segment_bytes", [2**20, 30_000])
def test_what_was_reported_durable_survives_kill_9(tmp_path, start, segment_bytes: int) -> None:
    process = start("kill_rounds.py", tmp_path, 25, 11, segment_bytes)
    printed, _ = process.communicate(timeout=100)
    rounds = [tuple(map(int, line.split())) for line in printed.splitlines()]
    assert process.returncode == 0
    assert len(rounds) == 25
    assert all(durable <= readable for durable, readable in rounds)
    assert max(durable for durable, _ in rounds) > 50
    counts = [readable for _, readable in rounds]
    assert counts == sorted(counts)


def check_filled(folder: Path, printed: str) -> None:
    first, sentence = printed.splitlines()[:2]
    durable, kind, same = first.split()
    assert (kind, same) == ("StoreFull", "True")
    assert f"Records up to {durable} are durable" in sentence
    assert "Free some space" in sentence
    reader = JournalReader(folder)
    records = list(reader.read_new())
    assert len(records) == int(durable) > 50
    assert all(record.arrays["x"].tolist() == [record.seq] * 100 for record in records)
    assert reader.leftover_bytes == 0


def test_a_file_size_limit_stops_the_writer_and_spoils_nothing(tmp_path, start) -> None:
    printed, _ = start("fill_disk.py", tmp_path, 200_000).communicate(timeout=60)
    check_filled(tmp_path, printed)
    with JournalWriter(tmp_path, "r") as writer:  # without the limit it goes on
        seq = writer.append("fact", {})
    assert [record.seq for record in JournalReader(tmp_path)][-1] == seq


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root; the file-size limit stands in")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_the_writer_and_spoils_nothing(small_disk: Path, start) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    folder = small_disk / "journal"
    printed, _ = start("fill_disk.py", folder, 0).communicate(timeout=60)
    check_filled(folder, printed)
    ballast.unlink()
    with JournalWriter(folder, "r") as writer:
        seq = writer.append("fact", {})
    assert [record.seq for record in JournalReader(folder)][-1] == seq


def test_all_that_was_appended_before_the_disk_was_full_goes_into_the_reserve(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reserve, "size", 600_000)
    folder = small_disk / "journal"
    appended = fill(JournalWriter(folder, "r"))
    assert [record.seq for record in JournalReader(folder).read_new()][-1] == appended
    assert not (folder / "reserve").exists()


def fill(writer: JournalWriter) -> int:
    """Append until the disk is full; the last record that was taken, which is durable."""
    with pytest.raises(StoreFull):  # noqa: PT012 - whichever of them notices first
        while True:
            writer.append("fact", {}, {"x": np.zeros(100)})
            if writer.last_seq % 7 == 0:
                writer.flush()
    with pytest.raises(StoreFull, match=f"up to {writer.last_seq} are durable"):
        writer.close()
    assert writer.durable_seq == writer.last_seq > 50
    return writer.last_seq
