"""What running simulations said last, for who looks from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.campaign.partial import FILE, Partial, partial_of
from querist.core.events import TaskFinished, TaskProgress


def said(task: str, worker: str, *steps: int) -> TaskProgress:
    lines = [{"step": step} for step in steps]
    return TaskProgress(task, {"worker": worker, "sample": f"s{task}", "lines": lines})


def test_the_newest_line_of_each_running_task_is_kept(tmp_path: Path) -> None:
    assert partial_of(tmp_path) == []
    partial = Partial(tmp_path)
    partial.save()
    assert not (tmp_path / FILE).exists()
    partial.progressed(said("2", "w1", 1), 1.0)
    partial.progressed(said("1", "w0", 1, 2), 2.0)
    partial.save()
    assert [(item["worker"], item["sample"], item["line"]) for item in partial_of(tmp_path)] == [
        ("w0", "s1", '{"step": 2}'),
        ("w1", "s2", '{"step": 1}'),
    ]
    partial.ended(TaskFinished("2", "w1", {}))
    partial.save()  # it is not time
    assert len(partial_of(tmp_path)) == 2
    partial.save(force=True)
    assert [item["t"] for item in partial_of(tmp_path)] == [2.0]
    partial.close()
    assert partial_of(tmp_path) == []


def test_streamed_outcomes_are_none_of_its_business(tmp_path: Path) -> None:
    partial = Partial(tmp_path)
    partial.progressed(TaskProgress("1", {"index": 0, "outcome": None}), 0.0)
    assert partial.tasks == {}


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{}")
    Partial(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_a_disk_that_is_full_does_not_matter_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = Partial(tmp_path)

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    partial.progressed(said("1", "w", 1), 0.0)
    partial.save()
    assert not (tmp_path / FILE).exists()
