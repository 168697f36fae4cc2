from __future__ import annotations

import os
import sqlite3

import numpy as np
import pytest

from querist.store.errors import JournalCorrupt, NotStored
from querist.store.index import Index, build_index
from querist.store.journal import JournalWriter


@pytest.fixture
def journal(tmp_path):
    folder = tmp_path / "run 1?#" / "journal"  # characters that mean something in addresses
    with JournalWriter(folder, "r", sync=False) as writer:
        writer.append("asked", {"question_id": "q1", "oracle": "gfn2"})
        writer.append("failed", {"question": "q1", "cause": "no convergence", "status": "failure"})
        answer = {"question": {"id": "q2"}, "oracle": "hf", "cost": 1.5, "big": 2**80}
        writer.append("answered", answer, {"energy": np.zeros(())})
    return folder


def test_records_are_found_by_their_fields(journal) -> None:
    path = build_index(journal)
    assert path == journal.parent / "index.sqlite"
    with Index(path) as index:
        assert (index.run_id, index.last_seq) == ("r", 3)
        (failure,) = index.failures()
        assert (failure["seq"], failure["question"], failure["cause"]) == (
            2,
            "q1",
            "no convergence",
        )
        assert failure["data"]["status"] == "failure"
        assert [row["seq"] for row in index.records(question="q1")] == [1, 2]
        assert [row["seq"] for row in index.records(kind="answered", oracle="hf")] == [3]
        assert [row["seq"] for row in index.records()] == [1, 2, 3]
        assert index.counts() == {"asked": 1, "failed": 1, "answered": 1}
        assert index.counts("oracle") == {"gfn2": 1, "hf": 1}
        (answer,) = index.records(kind="answered")
        assert (answer["cost"], answer["question"]) == (1.5, '{"id":"q2"}')
        assert answer["data"]["big"] == 2**80


def test_columns_may_lie_deeper(journal) -> None:
    with Index(build_index(journal, columns={"question": ("question.id", "question")})) as index:
        assert [row["question"] for row in index.records()] == [None, "q1", "q2"]


def test_a_number_too_large_for_sqlite_is_kept_as_text(journal) -> None:
    with Index(build_index(journal, columns={"big": ("big",)})) as index:
        assert [row["big"] for row in index.records()] == [None, None, str(2**80)]


def test_the_index_is_read_only_and_leaves_no_files(journal) -> None:
    path = build_index(journal)
    with Index(path) as index, pytest.raises(sqlite3.OperationalError, match="readonly"):
        index.query("DELETE FROM records")
    assert sorted(os.listdir(journal.parent)) == ["index.sqlite", "journal"]


def test_it_is_replaced_whole_while_an_older_one_is_open(journal) -> None:
    with Index(build_index(journal)) as old:
        with JournalWriter(journal, "r", sync=False) as writer:
            writer.append("asked", {})
        with Index(build_index(journal)) as new:
            assert (old.last_seq, new.last_seq) == (3, 4)
            assert (len(old.records()), len(new.records())) == (3, 4)


def test_another_place_can_be_given(journal, tmp_path) -> None:
    assert build_index(journal, tmp_path / "elsewhere.db") == tmp_path / "elsewhere.db"
    assert not (journal.parent / "index.sqlite").exists()


def test_an_empty_journal_has_an_empty_index(tmp_path) -> None:
    (tmp_path / "journal").mkdir()
    with Index(build_index(tmp_path / "journal")) as index:
        assert (index.run_id, index.last_seq, index.records()) == (None, 0, [])


def test_a_damaged_journal_is_reported_and_the_old_index_stays(journal) -> None:
    path = build_index(journal)
    before = path.read_bytes()
    segment = journal / "000001.qj"
    content = bytearray(segment.read_bytes())
    content[200] ^= 1
    segment.write_bytes(content)
    with pytest.raises(JournalCorrupt):
        build_index(journal)
    assert path.read_bytes() == before


def test_a_missing_index_is_named(tmp_path) -> None:
    with pytest.raises(NotStored, match="build_index"):
        Index(tmp_path / "index.sqlite")


def test_a_file_that_is_no_index_is_not_held_open(tmp_path, monkeypatch) -> None:
    connect, made = sqlite3.connect, []
    (tmp_path / "index.sqlite").write_bytes(b"")
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: made.append(connect(*a, **k)) or made[-1]
    )
    with pytest.raises(sqlite3.DatabaseError):
        Index(tmp_path / "index.sqlite")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].total_changes  # noqa: B018
