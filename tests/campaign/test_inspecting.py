"""Failures and standing of a run, from its journal alone."""

from __future__ import annotations

import pytest
from journals import Scribe, failed, labelled

from querist.campaign.inspecting import failures_of, one_open, open_questions, progress_of
from querist.core.errors import RunError
from querist.store.errors import NotARun
from querist.store.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"settings": {"budget": {"labels": 4, "cost": 9.0}}})


@pytest.fixture
def scribe(folder) -> Scribe:
    return Scribe(folder)


def test_failures_are_listed_in_order_with_their_causes(folder, scribe) -> None:
    scribe.ask(1, 2)
    fit = {"kind": "fit", "pool": "trainer", "worker": "trainer-0", "reason": "raised an exception"}
    lost = {"worker": "oracle.o-0", "pool": "oracle.o", "final": True}
    story = "Traceback (most recent call last):\n  File ...\nOSError: no licence\n"
    scribe.write(
        failed(1, False, message="once", traceback="Traceback A"),
        failed(1, True, message="twice", attempt=2),
        labelled(2),
        ("task.failed", {**fit, "message": "singular", "traceback": "Traceback B"}, {}),
        ("task.failed", {**fit, "reason": "was cancelled", "message": "", "traceback": ""}, {}),
        ("worker.lost", {**lost, "message": story}, {}),
        ("worker.lost", {**lost, "message": "worker 'x' was killed", "final": False}, {}),
    )
    found = failures_of(folder.path)
    assert [f.message for f in found] == [
        "once",
        "twice",
        "singular",
        "OSError: no licence",
        "worker 'x' was killed",
    ]
    assert [f.final for f in found] == [False, True, False, True, False]
    assert [f.traceback for f in found] == ["Traceback A", "", "Traceback B", story, ""]
    once, twice, fit_failed, given_up, _ = (f.sentence() for f in found)
    assert "oracle: raised an exception: once  [try 1, " in once
    assert "[quarantined, " in twice
    assert "trainer: raised an exception: singular  [try 1, fit]" in fit_failed
    assert (
        "oracle.o: lost its worker: OSError: no licence  [given up, worker oracle.o-0]" in given_up
    )
    assert all("\n" not in f.sentence() for f in found)


def test_a_run_without_failures_has_none(folder, scribe) -> None:
    assert failures_of(folder.path) == []
    scribe.label(1)
    assert failures_of(folder.path) == []


def test_standing_is_a_fold_of_the_journal(folder, scribe) -> None:
    scribe.write(("run.started", {"epoch": 0, "pools": {}}, {}))
    scribe.label(1, 2, 3)
    state = progress_of(folder.path)
    assert (state.labels, state.label_limit, state.cost, state.cost_limit) == (3, 4, 3.0, 9.0)
    assert state.status == "running"
    assert state.now == 7.0


def test_a_folder_without_a_run_is_refused(tmp_path) -> None:
    for look in (failures_of, progress_of):
        with pytest.raises(NotARun, match="is not the folder of a run"):
            look(tmp_path)


def test_open_questions_are_found_by_the_beginning_of_their_id(folder, scribe) -> None:
    scribe.ask(1, 2, 3, 4)
    scribe.write(labelled(1), failed(2, True), failed(3, False))
    records = list(folder.journal_reader().read_new())
    asked = [record.data["question"] for record in records if record.kind == "question.asked"]
    assert open_questions(folder.path) == asked[2:]
    assert one_open(folder.path, asked[2]) == asked[2]
    assert one_open(folder.path, asked[3][:-2]) == asked[3]
    with pytest.raises(RunError, match=r"2 open questions begin with ''; one is needed. Open are:"):
        one_open(folder.path, "")
    with pytest.raises(RunError, match="0 open questions begin with"):
        one_open(folder.path, asked[0])
