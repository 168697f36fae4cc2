from __future__ import annotations

import numpy as np
import pytest

from querist.store.errors import JournalCorrupt
from querist.store.journal import JournalWriter
from querist.store.reader import read_journal
from querist.store.repair import repair_journal


@pytest.fixture
def folder(tmp_path):
    with JournalWriter(tmp_path, "r", sync=False, segment_bytes=600) as writer:
        for number in range(30):
            writer.append("fact", {"number": number}, {"x": np.arange(3)})
            writer.flush()
    assert len(list(tmp_path.glob("*.qj"))) >= 5
    return tmp_path


def total_bytes(folder) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def readable(folder) -> list[int]:
    return [record.data["number"] for record in read_journal(folder)]


def test_a_sound_journal_is_left_alone(folder) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    repair = repair_journal(folder)
    assert (repair.last_seq, repair.damage, repair.moved) == (30, None, ())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("at", [3, 20, 140, 300, -70])
@pytest.mark.parametrize("segment", [1, 3])
def test_a_damaged_journal_is_cut_and_can_be_continued(folder, segment: int, at: int) -> None:
    path = folder / f"{segment:06d}.qj"
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    before = total_bytes(folder)
    with pytest.raises(JournalCorrupt):
        readable(folder)
    repair = repair_journal(folder)
    assert repair.damage is not None
    assert path.name in repair.damage
    assert repair.moved
    assert total_bytes(folder) == before
    assert readable(folder) == list(range(repair.last_seq))
    with JournalWriter(folder, "r", sync=False) as writer:
        assert writer.append("fact", {"number": repair.last_seq}) == repair.last_seq + 1
    assert readable(folder) == list(range(repair.last_seq + 1))
    assert repair_journal(folder).damage is None


def test_segments_behind_a_missing_one_are_moved(folder) -> None:
    (folder / "000002.qj").unlink()
    repair = repair_journal(folder)
    assert readable(folder) == list(range(repair.last_seq))
    assert sorted(path.suffix for path in folder.iterdir())[:1] == [".cut"]
    assert [path.name for path in folder.glob("*.qj")] == ["000001.qj"]


def test_repairing_twice_overwrites_nothing(folder) -> None:
    for _ in range(2):
        path = folder / "000001.qj"
        content = bytearray(path.read_bytes())
        content[200] ^= 0xFF
        path.write_bytes(content)
        assert repair_journal(folder).last_seq == 0
        with JournalWriter(folder, "r", sync=False) as writer:
            for number in range(3):
                writer.append("fact", {"number": number}, {"x": np.arange(3)})
                writer.flush()
    assert len(list(folder.glob("000001.128*.torn"))) == 2


def test_damage_is_not_hidden_by_a_last_segment_that_was_only_begun(folder) -> None:
    (folder / "000002.qj").write_bytes(b"")
    last = max(folder.glob("*.qj"))
    last.write_bytes(last.read_bytes()[:100])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(JournalCorrupt, match="000002"):
        JournalWriter(folder, "r", sync=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_last_segment_that_was_only_begun_is_kept_aside_and_begun_anew(folder) -> None:
    last = folder / f"{len(list(folder.glob('*.qj'))) + 1:06d}.qj"
    last.write_bytes(b"QJOURNAL" * 5)
    with JournalWriter(folder, "r", sync=False) as writer:
        assert writer.append("fact", {"number": 30}) == 31
    assert readable(folder) == list(range(31))
    assert [path.read_bytes() for path in folder.glob("*.torn")] == [b"QJOURNAL" * 5]


def test_damage_in_the_last_segment_is_not_opened_for_writing(folder) -> None:
    path = max(folder.glob("*.qj"))
    content = bytearray(path.read_bytes())
    content[140] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(JournalCorrupt):
        JournalWriter(folder, "r")
    assert path.read_bytes() == content
