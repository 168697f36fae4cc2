from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from querist.store import run_folder
from querist.store.errors import (
    DamagedFile,
    IncompatibleFormat,
    NotARun,
    NotStorable,
    RunExists,
    StoreFull,
)
from querist.store.run_folder import RunFolder, new_run_id


def test_a_new_run_has_its_layout(tmp_path) -> None:
    run = RunFolder.create(tmp_path / "run", {"oracle": {"kind": "xtb"}}, seeds={"all": 1})
    folders = ["generators", "inbox", "journal", "outbox", "scratch", "snapshots", "weights"]
    assert sorted(os.listdir(run.path)) == sorted([*folders, "config.json", "manifest.json"])
    again = RunFolder(tmp_path / "run")
    assert again.manifest == run.manifest
    assert again.config() == {"oracle": {"kind": "xtb"}}
    assert os.listdir(tmp_path) == ["run"]


def test_an_empty_folder_may_be_there(tmp_path) -> None:
    assert RunFolder.create(tmp_path, {}, run_id="mine").run_id == "mine"


def test_the_parts_work_together(tmp_path) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    with run.lock(), run.journal_writer() as writer:
        seq = writer.append("answered", {"question": "q1"}, {"energy": np.array(1.0)})
        writer.flush()
        run.snapshots.write(seq, {"labels": 1})
        run.weights.save(1, "m0", {"w": np.zeros(2)})
        run.generators.save(1, "walker", {"x": np.zeros(2)})
        run.outbox.put("t1", {})
        run.inbox.post("pause", {})
    records = list(RunFolder(tmp_path / "run").journal_reader())
    assert [record.kind for record in records] == ["answered"]
    assert (run.weights.latest(), run.generators.latest()) == (1, 1)
    assert len(list(run.outbox.pending())) == len(run.inbox.pending()) == 1
    assert run.scratch.is_dir()


def test_snapshots_beyond_the_journal_go_when_it_is_opened(tmp_path) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    with run.journal_writer() as writer:
        writer.append("a", {})
        writer.flush()
        run.snapshots.write(1, {})
    run.snapshots.write(9, {})
    run.journal_writer().close()
    assert run.snapshots.sequences() == [1]


def test_a_run_is_never_overwritten(tmp_path) -> None:
    RunFolder.create(tmp_path / "run", {"a": 1})
    with pytest.raises(RunExists, match="querist resume"):
        RunFolder.create(tmp_path / "run", {"a": 2})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for name in ("other", "file"):
        with pytest.raises(RunExists, match="not an empty folder"):
            RunFolder.create(tmp_path / name, {})
    assert RunFolder(tmp_path / "run").config() == {"a": 1}
    assert sorted(os.listdir(tmp_path)) == ["file", "other", "run"]


def test_of_two_creators_at_once_one_wins(tmp_path, monkeypatch) -> None:
    real = run_folder._move_into_place

    def slower(building, path) -> None:
        monkeypatch.setattr(run_folder, "_move_into_place", real)
        RunFolder.create(path, {"first": True})
        real(building, path)

    monkeypatch.setattr(run_folder, "_move_into_place", slower)
    with pytest.raises(RunExists):
        RunFolder.create(tmp_path / "run", {"first": False})
    assert RunFolder(tmp_path / "run").config() == {"first": True}
    assert os.listdir(tmp_path) == ["run"]


def test_a_failed_creation_leaves_nothing(tmp_path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(NotStorable):
        RunFolder.create(tmp_path / "run", {"x": {1}})
    monkeypatch.setattr(run_folder, "write_new", full)
    with pytest.raises(StoreFull):
        RunFolder.create(tmp_path / "run", {})
    assert os.listdir(tmp_path) == []


def test_other_folders_are_not_runs(tmp_path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(NotARun, match="not the folder of a run"):
            RunFolder(path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DamagedFile):
        RunFolder(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(IncompatibleFormat):
        RunFolder(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_configuration_is_reported(tmp_path, text: str) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    (run.path / "config.json").write_text(text)
    with pytest.raises(DamagedFile, match=r"config\.json"):
        run.config()


def test_run_ids_are_unique() -> None:
    assert len({new_run_id() for _ in range(100)}) == 100
