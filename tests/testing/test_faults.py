"""Faults come when they are due and as often as they are meant to; losses are found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Label
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.store.run_folder import RunFolder
from querist.testing.contexts import lone_context
from querist.testing.faults import (
    FaultyModel,
    FaultyOracle,
    FaultyWalkers,
    Plan,
    durable,
    evidence,
    notes,
    repaired,
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.log"


def answered(log: Path, count: int, begin: int = 0) -> list[str]:
    """An oracle answers; the ids of what it was asked."""
    batch = Batch.stack(x=np.arange(begin, begin + count)[:, None] * np.ones(2))
    FaultyOracle(str(log), seconds=0.0).answer(batch, lone_context(log.parent))
    return list(batch.ids)


def labelled(run: Path, ids: list[str]) -> None:
    made = RunFolder.create(run, {}) if not run.exists() else RunFolder(run)
    with made.journal_writer() as writer:
        for number in ids:
            writer.append("answer.label", {"sample": number}, {})


def test_a_fault_is_due_once_after_enough_answers_whoever_asks(log: Path) -> None:
    plan = Plan(str(log), after=2)
    answered(log, 1)
    assert not plan.due("early")
    answered(log, 1, 1)
    with ThreadPoolExecutor(8) as several:
        due = list(several.map(lambda i: Plan(str(log), after=2).due(f"{i}"), range(40)))
    assert sum(due) == len(notes(log, "fault")) == 1


def test_a_fault_without_number_lasts_until_the_repair(log: Path) -> None:
    plan = Plan(str(log), after=0, times=0)
    assert plan.due("a")
    assert plan.due("b")
    repaired(log).touch()
    assert not plan.due("c")
    assert [line.what for line in notes(log)] == ["a", "b"]


def test_roles_raise_where_they_are_told_to(log: Path) -> None:
    batch, context = Batch.stack(x=np.ones((1, 2))), lone_context(log.parent)
    with pytest.raises(RuntimeError, match="did not converge"):
        FaultyOracle(str(log), "raise", 0.0, after=0).answer(batch, context)
    with pytest.raises(RuntimeError, match="did not converge"):
        FaultyWalkers(str(log), "raise", 0.0, after=0, times=2).propose()
    with pytest.raises(RuntimeError, match="did not converge"):
        FaultyModel(str(log), predict="raise", after=0, times=3).predict(batch)
    (label,) = FaultyOracle(str(log), "nan", 0.0, after=0, times=4).answer(batch, context)
    assert isinstance(label, Label)
    assert np.isnan(label.outputs["y"])
    assert not notes(log, "end")  # none of these was an answer
    with pytest.raises(ConfigError, match="'explode'"):
        FaultyWalkers(str(log), "explode")


def test_a_line_that_is_being_written_is_not_there_yet(log: Path) -> None:
    answered(log, 1)
    with log.open("a") as file:
        file.write("17.5 end")
    assert [line.word for line in notes(log)] == ["begin", "end"]


def test_nothing_is_lost_where_every_answer_has_a_label(log: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ids = answered(log, 3)
    labelled(run, ids)
    found = evidence(log, run, [durable(log, run)])
    assert (found.labels, found.lost, found.twice, found.repeated) == (3, (), (), 0)


def test_an_answer_without_label_is_lost(log: Path, tmp_path: Path) -> None:
    ids = answered(log, 3)
    assert evidence(log, tmp_path / "run").lost == tuple(sorted(ids))
    labelled(tmp_path / "run", ids[:2])
    assert evidence(log, tmp_path / "run").lost == (ids[2],)


def test_a_label_that_vanishes_is_lost_and_one_asked_again_is_told(
    log: Path, tmp_path: Path
) -> None:
    ids = answered(log, 2)
    labelled(tmp_path / "before", ids)
    before = durable(log, tmp_path / "before")
    answered(log, 1)
    labelled(tmp_path / "run", ids[:1])
    found = evidence(log, tmp_path / "run", [before])
    assert found.lost == (ids[1],)
    assert found.twice == (ids[0],)
    assert found.repeated == 1
