"""How far something is, in one line, in a bar, or not at all."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from querist.cli.progress import line_of, watching


def told(**said: object) -> SimpleNamespace:
    return SimpleNamespace(**{"stage": "scan", "done": 500, "total": 2000, **said})


def test_a_line_says_what_is_known() -> None:
    assert line_of(told()) == "scan 500 of 2,000"
    everything = told(failed=3, rate=123.4, seconds_left=75.0, memory_mb=210.0)
    said = "scan 500 of 2,000, 3 failed, 123/s, 1 min 15 s left, 210 MB"
    assert line_of(everything) == said
    assert line_of(told(stage="", total=None, rate=0.52)) == "waiting 500, 0.52/s"


@pytest.mark.parametrize(("choice", "lines"), [("plain", 2), ("none", 0), ("auto", 2)])
def test_lines_come_when_a_stage_begins(capsys, choice: str, lines: int) -> None:
    with watching(choice, "query") as watcher:
        for stage in ("scan", "scan", "select"):
            watcher.show(told(stage=stage))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines
    assert all(line.startswith("query: ") for line in said)


def test_a_bar_can_be_forced(capsys) -> None:
    with watching("live", "query") as watcher:
        watcher.show(told())
        watcher.show(told(done=2000))
    assert "2,000 of 2,000" in capsys.readouterr().err
