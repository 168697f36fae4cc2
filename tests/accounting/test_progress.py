from __future__ import annotations

import io
from typing import Any

import pytest
from hand_journal import answer, asked, facts, failed, small

from querist.accounting.progress import ProgressState, render_plain, render_rich
from querist.accounting.summary import summarise
from querist.testing.runs import RunFact


def told(rows: list[RunFact], **options: Any) -> ProgressState:
    state = ProgressState(**options)
    for fact in rows:
        state.fact(fact.kind, fact.data)
    return state


def drawn(state: ProgressState, width: int = 90) -> str:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render_rich(state))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_it_agrees_with_the_summary(made_up: list[RunFact]) -> None:
    state, summary = told(made_up), summarise(made_up)
    assert state.labels == summary["labels"]["charged"]
    assert state.imported == summary["labels"]["imported"]
    assert state.cost == pytest.approx(summary["costs"]["spent"])
    assert state.failures == summary["failures"]["total"]
    assert state.version == summary["models"]["latest"]
    assert state.error == pytest.approx(summary["learning"]["metrics"]["forces.mae"][-1])
    assert state.rate == pytest.approx(summary["rates"]["recent_labels_per_second"])
    assert state.time_left() is None
    state.label_limit = 900
    assert state.time_left() == pytest.approx(summary.time_left(900))


def test_the_line_of_the_small_run() -> None:
    line = render_plain(told(small(), label_limit=10, unit="eV/Å"))
    assert line == (
        "20 s · 3/9 labels (33 %) · 6.67/min · forces.mae 0.250 eV/Å · queue 4 · 1 asked · 0/3 busy"
        " · cost 9.00 s · model v1 · 2 failed (1 for good) · finished: 3 labels"
    )


def test_the_line_before_anything_happened() -> None:
    assert render_plain(ProgressState()) == (
        "0 s · 0 labels · queue 0 · 0 asked · cost 0.00 s · no model yet"
    )


def test_time_left_at_the_present_rate() -> None:
    rows = facts(*[answer(str(i), i, i + 1) for i in range(5)])  # labels at 1 ... 5 s
    state = told(rows, label_limit=9)
    assert state.time_left() == pytest.approx(4)
    assert "about 4.0 s left" in render_plain(state)
    state.tick(9.0)  # nothing came for four seconds: the rate falls
    assert state.time_left() == pytest.approx(8)


def test_nothing_is_left_when_the_limit_is_reached() -> None:
    assert told(facts(answer("a", 0, 1)), label_limit=1).time_left() == 0


def test_what_each_worker_does_now() -> None:
    state = told(facts((0.0, "worker.joined", {"worker": "o/0", "pool": "oracle"})))
    state.task_started("o/0", "label", "sample 12ab", 2.0)
    state.task_started("e/0", "explore", "slot 1", 3.0)
    state.tick(5.0)
    assert state.busy == 2
    assert state.workers["o/0"].pool == "oracle"
    text = drawn(state)
    assert "sample 12ab" in text
    assert "3.0 s" in text
    state.task_finished("o/0", 6.0)
    assert (state.busy, state.workers["o/0"].tasks, state.workers["o/0"].since) == (1, 1, 6.0)


def test_a_lost_worker_is_shown_as_lost_until_it_is_back() -> None:
    state = ProgressState()
    state.task_started("o/0", "label", "x", 1.0)
    state.fact("worker.lost", {"t": 2.0, "worker": "o/0", "pool": "oracle", "message": "killed"})
    assert state.busy == 0
    assert "lost" in drawn(state)
    assert "killed" in drawn(state)
    state.fact("worker.joined", {"t": 3.0, "worker": "o/0", "pool": "oracle"})
    assert not state.workers["o/0"].lost


def test_a_resumed_run_forgets_the_workers_of_the_last_epoch() -> None:
    state = ProgressState()
    state.task_started("o/0", "label", "x", 1.0)
    state.fact("run.started", {"t": 1.0, "epoch": 1})
    assert state.workers == {}


def test_users_change_limits_and_pause() -> None:
    state = ProgressState(label_limit=5)
    state.fact("user.command", {"t": 0, "kind": "set", "data": {"labels": 8, "cost": 60}})
    assert (state.label_limit, state.cost_limit) == (8, 60)
    assert "cost 0.00 of 60.0 s" in render_plain(state)
    state.fact("user.command", {"t": 0, "kind": "pause"})
    assert render_plain(state).endswith("paused")
    state.fact("user.command", {"t": 0, "kind": "resume"})
    assert state.status == "running"


def test_the_metric_that_was_asked_for_is_shown() -> None:
    evaluated = {"metrics": {"energy.mae": 1.0, "forces.mae": 2.0}, "on": "holdout"}
    state = told(facts((0.0, "model.evaluated", evaluated)), metric="forces.mae")
    assert state.error == 2.0
    recent = {"metrics": {"forces.mae": 9.0}, "on": "recent"}
    state.fact("model.evaluated", {"t": 1.0, **recent})
    assert state.error == 2.0


def test_names_are_not_taken_for_markup() -> None:
    state = ProgressState()
    state.task_started("[red]o/0[/red]", "label", "[bold]x", 0.0)
    assert "[red]o/0[/red]" in drawn(state)


def test_many_workers_are_cut_and_counted() -> None:
    state = ProgressState(label_limit=10)
    for index in range(40):
        state.task_started(f"o/{index}", "label", "", 0.0)
    assert "... and 24 workers more" in drawn(state)


def test_unknown_facts_only_move_the_clock() -> None:
    state = told(facts(asked(0, "a"), (7.0, "from.the.future", {}), failed("a", 1, 2, True)))
    assert (state.now, state.failures) == (7.0, 1)
