"""Simulations of several ranks under a real mpiexec: placed, ended in time, nothing left."""

from __future__ import annotations

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Failure, Label, Reason
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.tasks import Resources
from querist.oracles.allocation import Allocation, Node, Share, this_node
from querist.oracles.parallel import ParallelCommand
from querist.testing.contexts import lone_context

X = Batch.stack(x=np.array([3.0]))
SIMULATION = """
import json, os, sys, time
from mpi4py import MPI
world = MPI.COMM_WORLD
time.sleep(float(sys.argv[1]))
total = world.allreduce(float(open("x.txt").read()))
cores = world.gather(sorted(os.sched_getaffinity(0)))
if world.rank == 0:
    json.dump({"y": total, "ranks": world.size, "cores": sorted(set(sum(cores, [])))},
              open("output.json", "w"))
"""
ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@pytest.fixture
def mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mpi4py")
    beside = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{beside}:{os.environ['PATH']}")
    if shutil.which("mpiexec") is None:
        pytest.skip("there is no mpiexec")


def simulation(seconds: float = 0.0, **more) -> ParallelCommand:
    given = {"resources": Resources(ranks=2), "environment": ROOT, "pin": False, **more}
    return ParallelCommand(
        [sys.executable, "sim.py", str(seconds)],
        templates={"sim.py": SIMULATION, "x.txt": "$x"},
        launcher="openmpi",
        **given,
    )


def two_slots() -> Share:
    return Share((Node(this_node().name, (0, 1)),))


def processes_in(folder: Path) -> list[int]:
    """Processes whose working folder is there: ranks and their launcher."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder) in str((entry / "cwd").readlink()):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.mpi
def test_two_ranks_answer_together(mpi, context) -> None:
    oracle = simulation()
    oracle.place(None, two_slots())
    (label,) = oracle.answer(X, context)
    assert isinstance(label, Label), label
    assert (float(label.outputs["y"]), int(label.outputs["ranks"])) == (6.0, 2)


@pytest.mark.mpi
def test_simulations_at_once_are_held_to_disjoint_cores(mpi, tmp_path: Path) -> None:
    found = Allocation.found({})
    if len(found.nodes[0].cores) < 2:
        pytest.skip("one core cannot be shared")
    shares = found.shares([("sim", Resources(ranks=1), 2)])["sim"]

    def one(index: int):
        oracle = simulation(0.5, resources=Resources(ranks=1), pin=True)
        oracle.place(None, shares[index])
        (tmp_path / str(index)).mkdir()
        return oracle.answer(X, lone_context(tmp_path / str(index)))[0]

    with ThreadPoolExecutor(2) as pool:
        labels = list(pool.map(one, range(2)))
    assert all(isinstance(label, Label) for label in labels), labels
    first, second = (label.outputs["cores"].tolist() for label in labels)
    assert len(first) == len(second) == 1
    assert first != second


@pytest.mark.mpi
@pytest.mark.parametrize("end", ["timeout", "cancel"])
def test_a_simulation_that_must_end_leaves_no_rank(mpi, context, end: str) -> None:
    wall = 4.0 if end == "timeout" else None
    oracle = simulation(600, resources=Resources(ranks=2, wall_seconds=wall))
    oracle.place(None, two_slots())
    ranks = lambda: len(processes_in(context.worker.scratch)) >= 3  # noqa: E731
    context.stop = ranks if end == "cancel" else lambda: False
    (outcome,) = oracle.answer(X, context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is (Reason.TIMEOUT if end == "timeout" else Reason.CANCELLED)
    assert processes_in(context.worker.scratch) == []


@pytest.mark.mpi
def test_a_rank_that_dies_fails_the_simulation(mpi, context) -> None:
    script = SIMULATION.replace("time.sleep", "world.rank and os.kill(os.getpid(), 9); time.sleep")
    oracle = replace(simulation(600), templates={"sim.py": script, "x.txt": "$x"})
    oracle.place(None, two_slots())
    (outcome,) = oracle.answer(X, context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.EXIT_CODE
    assert processes_in(context.worker.scratch) == []


def test_it_may_run_alone_with_its_share_in_words(context) -> None:
    script = "import json, os; json.dump({'y': os.environ['PLACE']}, open('output.json', 'w'))"
    oracle = ParallelCommand(
        [sys.executable, "-c", script],
        launcher="env PLACE=$hosts/$core_list/$ranks",
        resources=Resources(ranks=2, cores=2),
        pin=False,
    )
    oracle.place(None, Share((Node("there", (4, 5, 6, 7)),)))
    (label,) = oracle.answer(X, context)
    assert isinstance(label, Label), label
    assert str(label.outputs["y"]) == "there/4,5,6,7/2"


def test_what_no_launcher_can_give_is_refused() -> None:
    for wrong, words in (
        (Resources(nodes=2, ranks=3), "3 ranks cannot be shared out evenly over 2 nodes"),
        (Resources(ranks=0), "1 or more"),
        (Resources(gpus=1.5), "whole number or a fraction of one, not 1.5"),
    ):
        with pytest.raises(ConfigError, match=words):
            simulation(resources=wrong)
        with pytest.raises(ConfigError, match=words):
            simulation().place(wrong, None)
    with pytest.raises(ConfigError, match="a list of words"):
        simulation(launcher_options="--verbose")


def test_what_does_not_fit_by_itself_is_a_failure_for_good(context) -> None:
    (outcome,) = simulation(resources=Resources(ranks=10_000)).answer(X, context)
    assert isinstance(outcome, Failure)
    assert "only 0 of them fit into this machine" in outcome.message
    assert not outcome.transient
