from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_strategies import facts, same_array

from querist.store import segments
from querist.store.errors import (
    FlushTimeout,
    NotStorable,
    StoreClosed,
    StoreFailed,
    StoreFull,
    TooLarge,
    WrongRun,
)
from querist.store.journal import JournalWriter
from querist.store.reader import JournalReader, read_journal


def numbers(folder) -> list[int]:
    return [record.data["number"] for record in read_journal(folder)]


def write(folder, count: int, **options) -> None:
    with JournalWriter(folder, "r", sync=False, **options) as writer:
        for number in range(count):
            writer.append("fact", {"number": number})


@settings(max_examples=40)
@given(st.lists(facts, max_size=6), st.sampled_from([1, 200, 2**20]))
def test_everything_written_is_read(tmp_path_factory, written, segment_bytes: int) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with JournalWriter(folder, "r", sync=False, segment_bytes=segment_bytes) as writer:
        seqs = [writer.append(*fact) for fact in written]
    records = list(read_journal(folder))
    assert seqs == [record.seq for record in records] == list(range(1, len(written) + 1))
    for record, (kind, data, arrays) in zip(records, written, strict=True):
        assert (record.kind, record.data) == (kind, data)
        assert all(same_array(record.arrays[name], arrays[name]) for name in arrays)


def test_a_journal_is_continued(tmp_path) -> None:
    for _ in range(3):
        write(tmp_path, 4)
    assert numbers(tmp_path) == [0, 1, 2, 3] * 3
    assert [record.seq for record in read_journal(tmp_path, after=7)] == [8, 9, 10, 11, 12]


def test_segments_are_started_when_one_is_full(tmp_path) -> None:
    write(tmp_path, 40, segment_bytes=500)
    assert len(list(tmp_path.glob("*.qj"))) > 4
    assert numbers(tmp_path) == list(range(40))
    write(tmp_path, 2, segment_bytes=500)
    assert numbers(tmp_path) == [*range(40), 0, 1]


def test_durable_is_announced_in_order_and_completely(tmp_path) -> None:
    announced: list[int] = []
    with JournalWriter(tmp_path, "r", on_durable=announced.append) as writer:
        for number in range(200):
            writer.append("fact", {"number": number})
        writer.flush(timeout=60)
        assert writer.durable_seq == writer.last_seq == 200
    assert announced == sorted(set(announced))
    assert announced[-1] == 200


def test_one_sync_covers_all_that_waits(tmp_path, monkeypatch) -> None:
    entered, go_on, syncs = threading.Event(), threading.Event(), []

    def slow(fd: int) -> None:
        syncs.append(fd)
        entered.set()
        assert go_on.wait(30)

    with JournalWriter(tmp_path, "r") as writer:
        monkeypatch.setattr(segments, "sync_file", slow)
        writer.append("fact", {"number": 0})
        assert entered.wait(30)
        for number in range(1, 500):
            writer.append("fact", {"number": number})
        assert writer.durable_seq == 0
        go_on.set()
        writer.flush(timeout=60)
        assert len(syncs) == 2


def test_nothing_is_durable_before_the_sync_returns(tmp_path, monkeypatch) -> None:
    go_on = threading.Event()
    with JournalWriter(tmp_path, "r") as writer:
        monkeypatch.setattr(segments, "sync_file", lambda fd: go_on.wait(30))
        writer.append("fact", {})
        with pytest.raises(FlushTimeout, match="Records 1 to 1"):
            writer.flush(timeout=0.05)
        assert writer.durable_seq == 0
        go_on.set()


def test_many_threads_may_append(tmp_path) -> None:
    with JournalWriter(tmp_path, "r", sync=False, segment_bytes=5000) as writer:
        threads = [
            threading.Thread(
                target=lambda t=t: [writer.append("fact", {"from": t, "n": n}) for n in range(200)]
            )
            for t in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    records = list(read_journal(tmp_path))
    assert [record.seq for record in records] == list(range(1, 801))
    for t in range(4):
        assert [r.data["n"] for r in records if r.data["from"] == t] == list(range(200))


def test_the_arrays_may_be_changed_after_the_append(tmp_path) -> None:
    x = np.zeros(4)
    with JournalWriter(tmp_path, "r", sync=False) as writer:
        writer.append("fact", {}, {"x": x})
        x[:] = 7
    (record,) = read_journal(tmp_path)
    assert record.arrays["x"].tolist() == [0, 0, 0, 0]
    assert record.at > 1.6e9


def test_a_record_that_cannot_be_stored_leaves_no_gap(tmp_path) -> None:
    with JournalWriter(tmp_path, "r", sync=False) as writer:
        with pytest.raises(NotStorable):
            writer.append("fact", {"number": {1}})
        assert writer.append("fact", {"number": 0}) == 1
    assert numbers(tmp_path) == [0]


def test_records_beyond_4_gib_are_refused() -> None:
    with pytest.raises(TooLarge, match="4 GiB"):
        segments.check_size(2**32 - 8)


def test_appending_waits_while_too_much_is_queued(tmp_path, monkeypatch) -> None:
    go_on, appended = threading.Event(), []
    monkeypatch.setattr(JournalWriter, "pending_limit", 5000)
    with JournalWriter(tmp_path, "r") as writer:
        monkeypatch.setattr(segments, "sync_file", lambda fd: go_on.wait(30))

        def fill() -> None:
            appended.extend(writer.append("fact", {}, {"x": np.zeros(100)}) for _ in range(100))

        thread = threading.Thread(target=fill)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert writer.last_seq < 30
        go_on.set()
        thread.join(30)
    assert appended == list(range(1, 101)) == [record.seq for record in read_journal(tmp_path)]


def test_a_closed_journal_takes_nothing(tmp_path) -> None:
    writer = JournalWriter(tmp_path, "r", sync=False)
    writer.close()
    writer.close()
    with pytest.raises(StoreClosed):
        writer.append("fact", {})


def test_another_run_cannot_be_continued(tmp_path) -> None:
    write(tmp_path, 1)
    with pytest.raises(WrongRun, match="'other'"):
        JournalWriter(tmp_path, "other")
    assert numbers(tmp_path) == [0]


def test_a_run_id_has_a_limit(tmp_path) -> None:
    longest = "ä" * 32  # two bytes each
    with pytest.raises(NotStorable, match="at most 64 bytes"):
        JournalWriter(tmp_path, longest + "b")
    with JournalWriter(tmp_path, longest, sync=False) as writer:
        writer.append("fact", {})
    reader = JournalReader(tmp_path)
    assert len(list(reader.read_new())) == 1
    assert reader.run_id == longest


def test_opening_syncs_what_a_killed_writer_may_not_have(tmp_path, monkeypatch) -> None:
    write(tmp_path, 3)
    synced: list[int] = []
    monkeypatch.setattr(segments, "sync_file", synced.append)
    with JournalWriter(tmp_path, "r") as writer:
        assert len(synced) == 1
        assert writer.durable_seq == 3


# -- failures -------------------------------------------------------------------------------------


class FailingSync:
    """Fails once, then pretends that all is well, as Linux does after a failed fsync."""

    def __init__(self, code: int) -> None:
        self.code, self.calls = code, 0

    def __call__(self, fd: int) -> None:
        self.calls += 1
        if self.calls == 1:
            raise OSError(self.code, "no")


@pytest.mark.parametrize(("code", "kind"), [(errno.EIO, StoreFailed), (errno.ENOSPC, StoreFull)])
def test_a_failed_sync_is_never_repeated(tmp_path, monkeypatch, code: int, kind) -> None:
    told: list[Exception] = []
    writer = JournalWriter(tmp_path, "r", on_failed=told.append)
    writer.append("fact", {"number": 0})
    writer.flush()
    sync = FailingSync(code)
    monkeypatch.setattr(segments, "sync_file", sync)
    writer.append("fact", {"number": 1})
    with pytest.raises(kind, match="Records up to 1 are durable"):
        writer.flush()
    with pytest.raises(kind):
        writer.append("fact", {"number": 2})
    with pytest.raises(kind):
        writer.close()
    assert sync.calls == 1
    assert writer.durable_seq == 1
    assert told == [writer.failed]
    assert numbers(tmp_path) == [0]


def test_a_failed_sync_after_which_nothing_can_be_cut_still_keeps_the_durable(
    tmp_path, monkeypatch
) -> None:
    writer = JournalWriter(tmp_path, "r")
    writer.append("fact", {"number": 0})
    writer.flush()

    def no(*_: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(segments, "sync_file", no)
    monkeypatch.setattr(segments.os, "ftruncate", no)
    writer.append("fact", {"number": 1})
    with pytest.raises(StoreFailed):
        writer.flush()
    assert numbers(tmp_path)[:1] == [0]


@pytest.mark.parametrize("room", [0, 1, 31, 63, 64, 65, 500, 639])
def test_a_failed_write_keeps_whole_records_only(tmp_path, monkeypatch, room: int) -> None:
    real, left = segments.os.pwrite, [room]

    def until_full(fd: int, view, at: int) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "full")
        part = view[: left[0]]
        left[0] -= len(part)
        return real(fd, part, at)

    writer = JournalWriter(tmp_path, "r")
    writer.append("fact", {"number": 0})
    writer.flush()
    go_on = threading.Event()
    real_sync = segments.sync_file
    monkeypatch.setattr(segments, "sync_file", lambda fd: (go_on.wait(30), real_sync(fd)))
    writer.append("fact", {"number": 1})
    while writer._segment.written_seq < 2:  # the next records then form one group
        go_on.wait(0.001)
    for number in range(2, 12):
        writer.append("fact", {"number": number})
    monkeypatch.setattr(writer._segment, "mark", lambda: None)
    monkeypatch.setattr(segments.os, "pwrite", until_full)
    go_on.set()
    with pytest.raises(StoreFull):
        writer.close()
    got = numbers(tmp_path)
    assert got == list(range(len(got)))
    assert len(got) == writer.durable_seq == 2 + room // 64
    reader = JournalReader(tmp_path)
    assert len(list(reader.read_new())) == len(got)
    assert reader.leftover_bytes == 0


def test_a_full_disk_at_a_new_segment_says_so(tmp_path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreFull("There is no space left.")

    writer = JournalWriter(tmp_path, "r", segment_bytes=300)
    monkeypatch.setattr(segments, "atomic_write", full)

    def fill() -> None:
        for number in range(1000):
            writer.append("fact", {"number": number})
            writer.flush()

    with pytest.raises(StoreFull, match="Records up to"):
        fill()
    assert numbers(tmp_path) == list(range(writer.durable_seq))


def test_a_callback_that_raises_stops_the_writer_visibly(tmp_path) -> None:
    def bad(seq: int) -> None:
        raise ZeroDivisionError("oh")

    writer = JournalWriter(tmp_path, "r", on_durable=bad)
    writer.append("fact", {"number": 0})
    with pytest.raises(StoreFailed, match="ZeroDivisionError: oh") as caught:
        writer.close()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    writer.flush()  # what was appended is durable all the same
    assert numbers(tmp_path) == [0]


def test_a_journal_that_failed_is_not_left_in_silence(tmp_path) -> None:
    def bad(seq: int) -> None:
        raise ZeroDivisionError("oh")

    with pytest.raises(StoreFailed, match="oh"), JournalWriter(tmp_path, "r", on_durable=bad) as w:
        w.append("fact", {})


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_journal_that_is_closed_holds_no_file(tmp_path) -> None:
    with JournalWriter(tmp_path, "r", sync=False, segment_bytes=200) as writer:
        for number in range(9):
            writer.append("fact", {"number": number})
            writer.flush()
    assert len(list(tmp_path.glob("*.qj"))) > 3
    held = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]
    assert not [path for path in held if path.startswith(os.path.realpath(tmp_path))]


def test_an_error_on_its_way_is_not_hidden_by_a_failed_journal(tmp_path) -> None:
    def bad(seq: int) -> None:
        raise ZeroDivisionError("oh")

    def use() -> None:
        with JournalWriter(tmp_path, "r", on_durable=bad) as writer:
            writer.append("fact", {})
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        use()
