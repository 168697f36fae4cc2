"""What the environment says of a parallel launcher."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from querist.engines.launched import Launched, launched, limit_threads

OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_SIZE": "8",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
}


def test_rank_and_size_are_read() -> None:
    assert launched({}) is None
    assert launched(OPEN_MPI) == Launched(3, 8, 4)
    assert launched({"PMI_RANK": "0", "PMI_SIZE": "2"}) == Launched(0, 2, 2)
    assert launched({"PMI_RANK": "zero", "PMI_SIZE": "2"}) is None
    assert launched({"OMPI_COMM_WORLD_RANK": "1"}) is None


SRUN = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "11",
    "SLURM_PROCID": "9",
    "SLURM_NODEID": "2",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "11",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2),3",
}


@pytest.mark.parametrize(
    "environment, found",
    [
        ({**SRUN, "PMIX_RANK": "9"}, Launched(9, 11, 3)),
        ({**SRUN, "SLURM_NODEID": "1", "SLURM_PROCID": "5"}, Launched(5, 11, 4)),
        ({**SRUN, "PMI_RANK": "9", "PMI_SIZE": "11", "PMI_FD": "5"}, Launched(9, 11, 3)),
        ({**SRUN, "SLURM_STEP_TASKS_PER_NODE": "odd"}, Launched(9, 11, 11)),
        ({**SRUN, "SLURM_NODEID": "8"}, Launched(9, 11, 11)),
        ({**SRUN, **OPEN_MPI}, Launched(3, 8, 4)),  # mpiexec within a step
        (
            {"PALS_RANKID": "3", "PMI_RANK": "3", "PMI_SIZE": "8", "PALS_LOCAL_SIZE": "4"},
            Launched(3, 8, 4),
        ),
        (
            {"JSM_NAMESPACE_RANK": "1", "JSM_NAMESPACE_SIZE": "6", "JSM_NAMESPACE_LOCAL_SIZE": "2"},
            Launched(1, 6, 2),
        ),
        ({"FLUX_TASK_RANK": "0", "FLUX_JOB_SIZE": "4"}, Launched(0, 4, 4)),
    ],
)
def test_other_launchers_are_known(environment: dict[str, str], found: Launched) -> None:
    assert launched(environment) == found


@pytest.mark.parametrize("step", [None, "4294967290", "4294967291"])
def test_a_batch_script_or_a_shell_of_slurm_is_not_a_rank(step: str | None) -> None:
    shell = {**SRUN, "SLURM_PROCID": "0", "SLURM_NODEID": "0"}
    del shell["SLURM_STEP_ID"]
    assert launched(shell if step is None else {**shell, "SLURM_STEP_ID": step}) is None


def test_threads_are_shared_by_the_ranks_of_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("querist.engines.launched.usable_cores", lambda: 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    limit_threads()
    assert "OMP_NUM_THREADS" not in os.environ
    for name, value in OPEN_MPI.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    limit_threads()
    assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("2", "5")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)  # bound to 8 of them already
    limit_threads()
    assert os.environ["OMP_NUM_THREADS"] == "8"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_it_is_known_before_numpy_is_loaded() -> None:
    code = "import sys, querist.cli, querist.campaign.ranks; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
