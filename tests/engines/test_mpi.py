"""The engine over MPI, in real jobs of ``mpiexec``; what the ranks do is in ``mpi_job.py``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from querist.core.errors import ConfigError, RunError
from querist.core.tasks import Factory, PoolSpec
from querist.engines.mpi import fitted

HERE = Path(__file__).resolve().parent


def mpiexec() -> str | None:
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def job(ranks: int, *names: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    launcher = mpiexec()
    if launcher is None:
        pytest.skip("there is no mpiexec")
    pytest.importorskip("mpi4py")
    command = [launcher, "--allow-run-as-root", "--oversubscribe", *options, "-n", str(ranks)]
    return subprocess.run(
        [*command, sys.executable, str(HERE / "mpi_job.py"), *names],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1] / "src")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def passes(done: subprocess.CompletedProcess[str], *names: str) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if " ok " in line] == [*names]


@pytest.mark.mpi
def test_contract() -> None:
    passes(job(5, "contract"), "contract")


@pytest.mark.mpi
def test_crashes_interruptions_large_arrays_and_child_processes(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    names = ("crashes", "interrupts", "large", "fill", "isolated_contract", "gpus")
    passes(job(4, *names), *names)


@pytest.mark.mpi
def test_workers_of_a_party_talk_to_each_other() -> None:
    passes(job(5, "party"), "party")


@pytest.mark.mpi
def test_the_loss_of_a_rank_is_survived_with_fault_tolerance() -> None:
    for name in ("lost_rank", "handed_over", "party_loses"):
        done = job(4, name, options=("--with-ft", "ulfm"))
        if "unrecognized" in done.stderr or "unknown option" in done.stderr:
            pytest.skip("this MPI has no ULFM")
        passes(done, name)


@pytest.mark.mpi
def test_without_fault_tolerance_the_job_ends_at_once() -> None:
    done = job(4, "lost_rank")
    assert done.returncode != 0
    assert "ok" not in done.stdout


@pytest.mark.mpi
def test_a_handler_that_nothing_can_interrupt_does_not_hold_the_job() -> None:
    done = job(2, "held_rank")
    assert "closed" in done.stdout
    assert done.returncode != 0
    assert "[1] do not end" in done.stderr


def specs() -> list[PoolSpec]:
    counts = {"explorer.0": 1, "oracle.a": 2, "oracle.b": 1, "trainer": 1}
    return [PoolSpec(name, Factory("x:y"), count) for name, count in counts.items()]


def counts(ranks: int, assign: str) -> dict[str, int]:
    return {spec.name: spec.count for spec in fitted(specs(), ranks, assign)}


def test_further_ranks_stay_idle_or_go_to_the_oracles_in_proportion() -> None:
    assert counts(9, "fixed") == {"explorer.0": 1, "oracle.a": 2, "oracle.b": 1, "trainer": 1}
    assert counts(8, "fill") == {"explorer.0": 1, "oracle.a": 4, "oracle.b": 2, "trainer": 1}
    assert counts(6, "fill") == {"explorer.0": 1, "oracle.a": 3, "oracle.b": 1, "trainer": 1}
    assert sum(counts(29, "fill").values()) == 29
    assert fitted(specs()[:1], 5, "fill") == specs()[:1]


def test_too_few_ranks_are_refused_with_the_number_that_is_needed() -> None:
    with pytest.raises(
        RunError, match=r"6 MPI ranks are needed \(1 for control, explorer: 1, oracle.a: 2"
    ):
        fitted(specs(), 4)
    with pytest.raises(ConfigError, match="'fixed' or 'fill', got 'full'"):
        fitted(specs(), 5, "full")
