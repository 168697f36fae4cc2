"""``querist bench mpi``: real jobs of ``mpiexec``; what it says of faked reports is beside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from querist.core.errors import ConfigError
from querist.engines.mpi_bench import MODES, SIZES, synced

pytestmark = pytest.mark.mpi
SOURCES = Path(__file__).resolve().parents[2] / "src"


def bench(ranks: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mpi4py")
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("there is no mpiexec")
    options = ["--allow-run-as-root", "--oversubscribe", "-n", str(ranks)]
    launcher = [mpiexec, *options] if ranks else []
    command = [sys.executable, "-m", "querist", "bench", "mpi", "--seconds", "0.01", *arguments]
    return subprocess.run(
        [*launcher, *command],
        env={**os.environ, "PYTHONPATH": str(SOURCES), "CUDA_VISIBLE_DEVICES": "0"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_all_is_measured_between_ranks(tmp_path: Path) -> None:
    done = bench(4, "--json", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["mpi"]["ranks"] == 4
    assert report["mpi"]["threads"].startswith("MPI_THREAD_")
    (node,) = report["nodes"]
    assert (node["ranks"], node["gpus"], node["clock_offset"]) == (4, ["0"], 0)
    (pair,) = report["pairs"]
    assert (pair["where"], pair["rank"]) == ("same node", 1)
    assert [row["bytes"] for row in pair["sizes"]] == list(SIZES)
    for row in pair["sizes"]:
        for mode in MODES:
            cell = row[mode]
            assert 0 < cell["fastest"] <= cell["seconds"]
            assert cell["bandwidth"] == pytest.approx(row["bytes"] / cell["seconds"])
    assert set(report["pings"]) == {"1", "2", "3"}
    assert report["engine"]["workers"] == 3
    assert report["engine"]["tasks_per_second"] > 0
    assert 0 < report["start"]["median"] <= report["start"]["slowest"] < 100
    assert report["folder"]["path"] == str(tmp_path)
    assert 0 < report["folder"]["fsync_median"] <= report["folder"]["fsync_p95"]
    assert list(tmp_path.iterdir()) == []


def test_a_person_gets_tables_and_hints_once() -> None:
    done = bench(3)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rank 0 and rank 1") == 1
    assert "\x1b" not in done.stdout
    for words in ("raw MPI", "Querist", "pickled", "16,777,216", "fsync of 4 KiB", "\n- "):
        assert words in done.stdout


def test_alone_it_says_how_to_start_it() -> None:
    done = bench(0)
    assert done.returncode == 1
    assert "mpiexec -n 4 querist bench mpi" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_ends_the_job_with_one_sentence() -> None:
    done = bench(3, "--folder", "no/such/folder")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("no/such/folder cannot be written: No such file") == 1
    assert "Traceback" not in done.stderr


def test_the_time_of_an_fsync(tmp_path: Path) -> None:
    found = synced(tmp_path, 0.0)
    assert found["writes"] >= 3
    with pytest.raises(ConfigError, match="cannot be written"):
        synced(tmp_path / "missing", 0.0)
