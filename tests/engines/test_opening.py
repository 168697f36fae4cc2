"""Failures in words, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.core.answers import Reason
from querist.core.errors import (
    ContractError,
    MissingExtra,
    OracleRejected,
    RunError,
    UnsupportedSample,
)
from querist.core.tasks import Factory, PoolSpec
from querist.engines.opening import (
    Site,
    check_pools,
    close_handler,
    failure_of,
    last_line,
    open_handler,
)
from querist.testing.fakes import pool


@pytest.mark.parametrize(
    "error, reason, transient",
    [
        (ValueError("a"), Reason.RAISED, True),
        (MemoryError("a"), Reason.MEMORY, True),
        (OracleRejected("a"), Reason.REJECTED, True),
        (UnsupportedSample("a"), Reason.UNSUPPORTED, False),
        (MissingExtra("ase", "atoms", "a"), Reason.RAISED, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exceptions_have_reasons(error, reason, transient) -> None:
    failure = failure_of(error)
    assert (failure.reason, failure.transient) == (reason, transient)
    assert type(error).__name__ in failure.message


def test_an_exception_that_cannot_be_shown_is_a_failure_too() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert "Mute" in failure_of(Mute()).message


def test_the_last_line_of_a_traceback_is_its_exception() -> None:
    assert last_line("Traceback\n  File\nValueError: so\n\n") == "ValueError: so"
    assert last_line(" \n") == "no reason is known."


@pytest.mark.parametrize("wrong", [{"count": -1}, {"depth": -1}, {"threads": -2}])
def test_pools_that_make_no_sense_are_refused(wrong) -> None:
    with pytest.raises(RunError, match="'work' needs count >= 0"):
        check_pools([pool(**wrong)], [])


def test_a_name_is_there_once() -> None:
    with pytest.raises(RunError, match="'work'"):
        check_pools([pool(), pool()], [])


def test_a_handler_needs_a_method(tmp_path: Path) -> None:
    context = Site(None, tmp_path, 0).context(pool(), 0)
    with pytest.raises(ContractError, match=r"run\(task, context\).*object"):
        open_handler(Factory.of(object()), context)


def test_contexts_differ_by_seed_worker_and_life(tmp_path: Path) -> None:
    def number(seed: int, index: int, life: int) -> float:
        return float(Site(tmp_path, tmp_path, seed).context(pool(), index, life).rng.random())

    drawn = [number(0, 0, 0), number(1, 0, 0), number(0, 1, 0), number(0, 0, 1)]
    assert len(set(drawn)) == 4
    assert drawn[0] == number(0, 0, 0)


def test_only_a_temporary_scratch_folder_is_removed(tmp_path: Path) -> None:
    kept, temporary = Site(None, tmp_path / "kept", 0), Site(None, None, 0)
    folders = [site.context(pool(), 0).scratch for site in (kept, temporary)]
    for site in (kept, temporary):
        site.clear()
    assert [folder.exists() for folder in folders] == [True, False]


def test_scratch_may_be_a_text_and_relative_to_the_working_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    context = Site(None, "local", 0).context(pool(), 1)
    assert context.scratch == tmp_path / "local" / "work-1"
    assert context.scratch.is_dir()


def test_workers_are_joined_by_engines_that_can_only() -> None:
    spec = PoolSpec("a", Factory("x:y"), party="p")
    with pytest.raises(RunError, match=r"'a' should talk to each other \(party 'p'\)"):
        check_pools([spec], [])
    check_pools([spec], [], parties=True)


def test_what_closing_raises_is_printed(capsys) -> None:
    class Stuck:
        def run(self, task, context):
            raise AssertionError

        def close(self) -> None:
            raise OSError("the licence cannot be given back")

    close_handler(Stuck())
    said = capsys.readouterr().err
    assert said.startswith("Stuck could not be closed well:\nTraceback")
    assert "the licence cannot be given back" in said
