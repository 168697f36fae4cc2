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
