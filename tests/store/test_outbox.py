from __future__ import annotations

import os

import numpy as np
import pytest

from querist.store.errors import NotStorable
from querist.store.inbox import Inbox
from querist.store.outbox import Outbox


def test_answers_are_read_and_removed(tmp_path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    assert list(outbox.pending()) == []
    for task in ("b", "a/../x", "a" * 300):
        outbox.put(task, {"task": task}, {"energy": np.array(1.5)})
    parcels = list(outbox.pending())
    assert {parcel.task_id for parcel in parcels} == {"b", "a/../x", "a" * 300}
    assert all(parcel.data == {"task": parcel.task_id} for parcel in parcels)
    assert all(parcel.arrays["energy"] == 1.5 for parcel in parcels)
    for parcel in parcels:
        outbox.remove(parcel)
        outbox.remove(parcel)
    assert list(outbox.pending()) == []


def test_a_second_answer_is_not_removed_with_the_first(tmp_path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put("t", {"attempt": 1})
    (first,) = outbox.pending()
    outbox.put("t", {"attempt": 2})
    outbox.remove(first)
    assert [parcel.data for parcel in outbox.pending()] == [{"attempt": 2}]


def test_damaged_answers_are_passed_over_and_reported(tmp_path) -> None:
    outbox = Outbox(tmp_path)
    good = outbox.put("good", {})
    bad = outbox.put("bad", {"x": "y" * 100})
    bad.write_bytes(bad.read_bytes()[:-20])
    (tmp_path / ".half.answer.123.tmp").write_bytes(b"QPAR")
    (tmp_path / "folder.answer").mkdir()
    assert [parcel.path for parcel in outbox.pending()] == [good]
    assert set(outbox.damaged) == {bad.name, "folder.answer"}
    assert str(bad) in outbox.damaged[bad.name]


def test_an_answer_that_cannot_be_stored_leaves_no_file(tmp_path) -> None:
    with pytest.raises(NotStorable):
        Outbox(tmp_path).put("t", {}, {"x": np.array([None])})
    assert os.listdir(tmp_path) == []


@pytest.mark.kill
def test_kill_9_leaves_whole_answers_and_messages_only(tmp_path, start) -> None:
    inbox, outbox = Inbox(tmp_path / "in"), Outbox(tmp_path / "out")
    for wanted in (3, 10):
        process = start("post_rounds.py", tmp_path / "in", tmp_path / "out")
        for _ in range(wanted):
            process.stdout.readline()
        process.kill()
        said, _ = process.communicate()
        complete = wanted + said.count("\n")
        answers, messages = list(outbox.pending()), inbox.pending()
        assert {f"task/{n}" for n in range(complete)} <= {answer.task_id for answer in answers}
        assert [message.data["n"] for message in messages] == list(range(len(messages)))
        assert complete <= len(messages) <= complete + 1
        for item in [*answers, *messages]:
            assert (item.arrays["x"] == item.data["n"]).all()
            (outbox if item in answers else inbox).remove(item)
        assert outbox.damaged == {}
        assert not inbox.rejected.exists()
