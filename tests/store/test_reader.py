from __future__ import annotations

import random
import shutil
import threading

import numpy as np
import pytest

from querist.store import reader as reader_module
from querist.store.codec import encode_body
from querist.store.errors import IncompatibleFormat, JournalCorrupt, JournalRewound, WrongRun
from querist.store.journal import JournalWriter
from querist.store.reader import JournalReader, read_journal
from querist.store.segments import (
    HEADER_SIZE,
    SegmentFile,
    durable_after,
    encode_record,
    segment_path,
)

NOTHING = np.zeros(0)


def write(folder, start: int, stop: int, **options) -> None:
    with JournalWriter(folder, "r", sync=False, **options) as writer:
        for number in range(start, stop):
            writer.append("fact", {"number": number}, {"x": np.arange(number % 4)})
            if number % 3 == 0:
                writer.flush()


def read(folder) -> tuple[list[int], JournalCorrupt | None]:
    """The numbers that can be read, and the damage behind them."""
    got: list[int] = []
    try:
        for record in read_journal(folder):
            assert record.arrays["x"].tolist() == list(range(record.data["number"] % 4))
            got.append(record.data["number"])
    except JournalCorrupt as error:
        return got, error
    return got, None


def test_an_empty_or_missing_folder_has_no_records(tmp_path) -> None:
    assert list(read_journal(tmp_path)) == list(read_journal(tmp_path / "none")) == []


def test_new_records_are_given_once(tmp_path) -> None:
    reader = JournalReader(tmp_path)
    assert list(reader.read_new()) == []
    for stop in (4, 5, 30):
        write(tmp_path, reader.last_seq, stop, segment_bytes=400)
        new = [record.data["number"] for record in reader.read_new()]
        assert new == list(range(stop - len(new), stop))
        assert reader.last_seq == reader.durable_seq == stop
        assert list(reader.read_new()) == []
    assert reader.run_id == "r"
    assert [record.data["number"] for record in reader] == list(range(30))


def test_a_pass_that_is_stopped_goes_on_where_it_was(tmp_path) -> None:
    write(tmp_path, 0, 20, segment_bytes=400)
    reader = JournalReader(tmp_path)
    assert [next(reader.read_new()).data["number"] for _ in range(20)] == list(range(20))


@pytest.mark.parametrize("after", [0, 1, 7, 19, 20, 25])
def test_reading_starts_after_a_record(tmp_path, after: int) -> None:
    write(tmp_path, 0, 20, segment_bytes=400)
    reader = JournalReader(tmp_path, after=after)
    assert [record.seq for record in reader.read_new()] == list(range(after + 1, 21))
    assert reader.last_seq == 20


def test_a_reader_follows_a_writer_in_another_thread(tmp_path) -> None:
    count, stop = 3000, threading.Event()
    got: list[int] = []

    def follow() -> None:
        reader = JournalReader(tmp_path)
        while len(got) < count and not stop.is_set():
            got.extend(record.data["number"] for record in reader.read_new())

    thread = threading.Thread(target=follow)
    thread.start()
    write(tmp_path, 0, count, segment_bytes=20_000)
    thread.join(30)
    stop.set()
    thread.join()
    assert got == list(range(count))


def test_a_writer_that_goes_on_between_two_looks_has_damaged_nothing(tmp_path, monkeypatch) -> None:
    write(tmp_path, 0, 10)
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])  # a record of which only the beginning is there yet
    real = reader_module.durable_after

    def late(file, offset, salt):
        path.write_bytes(whole)
        with path.open("rb") as now:
            return real(now, offset, salt)

    monkeypatch.setattr(reader_module, "durable_after", late)
    reader = JournalReader(tmp_path)
    first = [record.data["number"] for record in reader.read_new()]
    assert 0 < len(first) < 10
    assert first + [record.data["number"] for record in reader.read_new()] == list(range(10))


def test_a_reader_follows_from_another_process(tmp_path, start) -> None:
    process = start("follow.py", tmp_path)
    chance, total = np.random.default_rng(1), 0
    with JournalWriter(tmp_path, "r", segment_bytes=100_000) as writer:
        for number in range(2000):
            x = chance.integers(0, 100, size=int(chance.integers(0, 200)))
            total += int(x.sum())
            writer.append("fact", {"number": number}, {"x": x})
            if number % 100 == 0:
                writer.flush()
        writer.append("end", {})
    printed, _ = process.communicate(timeout=60)
    last_seq, got, passes = printed.split()
    assert (int(last_seq), float(got)) == (2001, total)
    assert int(passes) >= 1


# -- damage ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    """The content of one segment with 7 records and several marks."""
    folder = tmp_path_factory.mktemp("sound")
    write(folder, 0, 7)
    return (folder / "000001.qj").read_bytes()


def ends(content: bytes) -> list[int]:
    """Where the records end, in a sound segment."""
    found, at = [], HEADER_SIZE
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "little")
        is_record = content[at + 8 : at + 12] == b"\xd7QJR"
        at += 8 + length
        if is_record:
            found.append(at)
    return found


def test_a_cut_at_any_byte_gives_exactly_the_records_before_it(tmp_path, sound: bytes) -> None:
    whole = ends(sound)
    assert len(whole) == 7
    path = tmp_path / "000001.qj"
    for size in range(len(sound)):
        path.write_bytes(sound[:size])
        got, damage = read(tmp_path)
        assert got == list(range(sum(end <= size for end in whole)))
        assert damage is None


def test_a_journal_cut_at_any_place_is_continued(tmp_path, sound: bytes) -> None:
    whole = ends(sound)
    for size in range(0, len(sound), 13):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "000001.qj").write_bytes(sound[:size])
        kept = sum(end <= size for end in whole)
        with JournalWriter(folder, "r", sync=False) as writer:
            assert writer.last_seq == kept
            assert writer.append("fact", {"number": kept}, {"x": np.arange(kept % 4)}) == kept + 1
        assert read(folder) == (list(range(kept + 1)), None)
        torn = b"".join(path.read_bytes() for path in folder.glob("*.torn"))
        assert sound[:size].endswith(torn)


def test_flipped_bytes_give_a_prefix_and_never_garbage(tmp_path, sound: bytes) -> None:
    whole, chance = ends(sound), random.Random(5)
    path = tmp_path / "000001.qj"
    for _ in range(500):
        damaged = bytearray(sound)
        first = chance.randrange(HEADER_SIZE, len(sound))
        for _ in range(chance.choice((1, 1, 2, 20))):
            damaged[min(len(sound) - 1, first + chance.randrange(64))] ^= chance.randrange(1, 256)
        if damaged == sound:
            continue
        path.write_bytes(damaged)
        got, _ = read(tmp_path)
        assert got == list(range(len(got)))
        assert len(got) >= sum(end <= first for end in whole)


def test_every_single_flip_in_durable_records_is_reported(tmp_path, sound: bytes) -> None:
    whole = ends(sound)
    path = tmp_path / "000001.qj"
    for at in range(HEADER_SIZE, whole[-1]):
        damaged = bytearray(sound)
        damaged[at] ^= 0x81
        path.write_bytes(damaged)
        got, damage = read(tmp_path)
        assert damage is not None
        assert len(got) == damage.last_seq == sum(end <= at for end in whole)
        assert damage.segment == "000001.qj"
        assert damage.offset <= at
        assert "repair_journal" in str(damage)


def test_a_flip_in_a_header_is_reported(tmp_path, sound: bytes) -> None:
    for at in range(HEADER_SIZE):
        damaged = bytearray(sound)
        damaged[at] ^= 1
        (tmp_path / "000001.qj").write_bytes(damaged)
        with pytest.raises(JournalCorrupt):
            list(read_journal(tmp_path))


def test_a_hole_that_a_power_failure_left_is_a_torn_end(tmp_path) -> None:
    """Blocks of the last, never synced group may reach the disk in any order."""
    folder, path = tmp_path, tmp_path / "000001.qj"
    segment = SegmentFile.create(path, "r", 1, sync=False)
    frames = [
        encode_record(seq, 0.0, *encode_body("fact", {"number": seq - 1}, {"x": NOTHING}), salt)
        for salt in [segment.header.salt]
        for seq in range(1, 13)
    ]
    segment.write(frames[:10], 10)
    segment.sync()
    segment.mark()
    durable_end = segment.end
    segment.write(frames[10:], 12)
    segment.close()
    content = bytearray(path.read_bytes())
    content[durable_end : durable_end + len(frames[10])] = bytes(len(frames[10]))
    path.write_bytes(content)
    assert [record.seq for record in read_journal(folder)] == list(range(1, 11))
    with JournalWriter(folder, "r", sync=False) as writer:
        assert writer.last_seq == 10
    (torn,) = folder.glob("*.torn")
    assert torn.read_bytes() == content[durable_end:]


def test_a_journal_stored_inside_an_array_does_not_pass_for_records(tmp_path, sound: bytes) -> None:
    with JournalWriter(tmp_path, "r", sync=False) as writer:
        writer.append("fact", {"number": 0}, {"x": np.arange(0)})
        writer.flush()
        end = writer._segment.end
        writer.append("copy", {}, {"x": np.frombuffer(sound, "u1")})
        salt = writer._segment.header.salt
    path = tmp_path / "000001.qj"
    path.write_bytes(path.read_bytes()[:-40])  # without its last bytes and the mark behind them
    assert read(tmp_path) == ([0], None)
    with path.open("rb") as file:
        assert durable_after(file, end, salt) == 0
        inner = int.from_bytes(sound[16:24], "little")
        assert durable_after(file, end, inner) > 0  # it is the salt that makes the difference


@pytest.fixture
def segmented(tmp_path):
    write(tmp_path, 0, 30, segment_bytes=400)
    assert len(list(tmp_path.glob("*.qj"))) >= 4
    return tmp_path


def test_a_missing_segment_is_reported(segmented) -> None:
    (segmented / "000002.qj").unlink()
    with pytest.raises(JournalCorrupt, match=r"000002\.qj.*missing"):
        list(read_journal(segmented))


def test_a_cut_segment_before_others_is_reported(segmented) -> None:
    path = segmented / "000002.qj"
    content = path.read_bytes()
    first = next(read_journal(segmented, after=0)).seq
    for size in (0, 50, HEADER_SIZE, len(content) // 2, len(content) - 40):
        path.write_bytes(content[:size])
        got, damage = read(segmented)
        assert damage is not None
        assert got == list(range(len(got)))
        assert len(got) >= first


def test_a_segment_of_another_run_is_reported(segmented, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    with JournalWriter(other, "s", sync=False, segment_bytes=400) as writer:
        for number in range(30):
            writer.append("fact", {"number": number}, {"x": np.arange(number % 4)})
            writer.flush()
    shutil.copy(other / "000002.qj", segmented / "000002.qj")
    with pytest.raises(WrongRun, match="'s'"):
        list(read_journal(segmented))


def test_another_format_version_is_refused(tmp_path, sound: bytes) -> None:
    import zlib

    content = bytearray(sound)
    content[8:12] = (2).to_bytes(4, "little")
    content[12:16] = zlib.crc32(content[16:HEADER_SIZE], 2).to_bytes(4, "little")
    (tmp_path / "000001.qj").write_bytes(content)
    with pytest.raises(IncompatibleFormat, match="format 2"):
        list(read_journal(tmp_path))


def test_a_journal_that_was_cut_behind_a_reader_is_noticed(tmp_path, sound: bytes) -> None:
    path = tmp_path / "000001.qj"
    path.write_bytes(sound)
    reader = JournalReader(tmp_path)
    assert len(list(reader.read_new())) == 7
    path.write_bytes(sound[: ends(sound)[3]])
    with pytest.raises(JournalRewound, match="record 7"):
        list(reader.read_new())
    with JournalWriter(tmp_path, "r", sync=False) as writer:
        for number in range(4, 9):
            writer.append("fact", {"number": number}, {"x": np.arange(0)})
    with pytest.raises(JournalRewound):
        list(reader.read_new())
    path.unlink()
    shutil.rmtree(tmp_path)
