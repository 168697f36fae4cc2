"""Progress in a terminal, in a pipe, and where nobody looks."""

from __future__ import annotations

import io
import sys

import pytest

from querist.accounting.progress import ProgressState
from querist.campaign import watching
from querist.campaign.watching import Live, Plain, Silent, watcher
from querist.core.answers import Failure, Reason
from querist.core.events import Fact, TaskFailed, TaskFinished, TaskProgress, TaskStarted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def state() -> ProgressState:
    return ProgressState(label_limit=10)


def label(t: float) -> Fact:
    return Fact("answer.label", {"t": t, "cost": 1.0})


def test_a_pipe_gets_plain_lines(state, monkeypatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    shown = watcher(True, state)
    assert type(shown) is Plain
    shown.refresh(0.0)
    for t in (1.0, 2.0, 3.0):
        shown.fact(label(t))
        shown.refresh(t)  # too early for another line
    shown.say("warning", "a worker was lost")
    shown.close()
    first, warning, last = stream.getvalue().splitlines()
    assert "0/10 labels" in first
    assert warning == "warning: a worker was lost"
    assert "3/10 labels (30 %)" in last
    assert "\x1b" not in stream.getvalue()


def test_lines_come_every_few_seconds(state, monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    shown = Plain(state, stream)
    for _ in range(21):
        shown.refresh(clock[0])
        clock[0] += 1.0
    assert len(stream.getvalue().splitlines()) == 5


def test_a_terminal_gets_a_panel(state, monkeypatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    shown = watcher(True, state)
    assert type(shown) is Live
    shown.event(TaskStarted("label-0-1", "oracle.o-0"), 1.0)
    shown.refresh(1.0)
    shown.say("error", "[bold]no markup[/bold]")
    shown.fact(label(2.0))
    shown.close()
    said = stream.getvalue()
    assert "oracle.o-0" in said
    assert "[bold]no markup[/bold]" in said
    assert "1/10" in said


@pytest.mark.parametrize(
    "progress, kind", [(False, Silent), ("plain", Plain), ("live", Live), (True, Plain)]
)
def test_the_form_can_be_chosen(state, monkeypatch, progress, kind) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    shown = watcher(progress, state)
    assert type(shown) is kind
    shown.refresh(0.0)
    shown.close()


def test_it_follows_what_workers_do(state) -> None:
    shown = Plain(state, io.StringIO())
    shown.event(TaskStarted("fit-0-1", "trainer-0"), 1.0)
    assert state.workers["trainer-0"].kind == "fit"
    shown.event(TaskFinished("fit-0-1", "trainer-0", {}), 2.0)
    assert state.workers["trainer-0"].kind == ""
    shown.event(TaskStarted("label-0-2", "oracle-0"), 2.0)
    shown.event(TaskFailed("label-0-2", "oracle-0", Failure(Reason.RAISED, "x")), 3.0)
    assert state.busy == 0


def test_a_reader_that_went_away_does_not_end_the_run(state) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    for stream in (Broken(), io.StringIO()):
        if type(stream) is io.StringIO:
            stream.close()
        shown = Plain(state, stream)
        shown.refresh(0.0)
        shown.say("info", "x")
        shown.close()


@pytest.mark.parametrize("progress", [True, "plain", "live"])
def test_where_there_is_no_standard_error_nothing_is_said(
    state, monkeypatch, capsys, progress
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    shown = watcher(progress, state)
    shown.refresh(1.0)
    shown.close()
    assert capsys.readouterr().out == ""


def test_silence_says_nothing(capsys) -> None:
    shown = Silent()
    shown.event(TaskStarted("a", "b"), 0.0)
    shown.fact(label(1.0))
    shown.say("error", "x")
    shown.refresh(0.0)
    shown.close()
    assert capsys.readouterr() == ("", "")


def test_what_a_simulation_says_stands_beside_its_worker(state) -> None:
    shown = Plain(state, io.StringIO())
    shown.event(TaskStarted("label-1", "oracle.x-0"), 1.0)
    said = {"worker": "oracle.x-0", "sample": "s", "lines": [{"step": 1}, {"step": 2}]}
    shown.event(TaskProgress("label-1", said), 2.0)
    assert state.workers["oracle.x-0"].detail == '{"step": 2}'
    shown.event(TaskProgress("label-1", {"outcome": None, "index": 0}), 3.0)
    assert state.workers["oracle.x-0"].detail == '{"step": 2}'
    shown.event(TaskFailed("label-1", "oracle.x-0", Failure(Reason.RAISED, "no")), 4.0)
    assert state.workers["oracle.x-0"].detail == ""


def test_a_notebook_gets_a_card_that_is_drawn_anew(state, monkeypatch) -> None:
    shown: list[str] = []

    class Display:
        def display(self, card, display_id: bool) -> Display:
            assert display_id
            self.update(card)
            return self

        def update(self, card) -> None:
            shown.append(card._repr_html_())

    monkeypatch.setattr(watching.notebook, "display", Display)
    card = watcher(True, state)
    card.fact(label(1.0))
    card.refresh(1.0)
    card.refresh(1.1)  # too early
    card.fact(label(2.0))
    card.close()
    assert ["0 of 10" in shown[0], "1 of 10" in shown[1], "2 of 10" in shown[2]] == [True] * 3
    assert len(shown) == 3
