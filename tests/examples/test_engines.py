"""The science examples' campaign files give labels and a model over MPI, and in one process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
JOB = Path(__file__).with_name("engines_job.py")
# What each needs, and a cheap function in the place of its oracle where there is one.
CASES = {
    "photodynamics/campaign.yaml": ("torch", None),
    "clusters/lj.yaml": ("scipy", None),
    "eddy_promoters/campaign.yaml": ("numba", "problem:quick"),
    "hydrogen_transfer/campaign.yaml": ("tblite", None),
    "periodic_metal/campaign.yaml": ("ase", None),
}


@pytest.mark.slow
@pytest.mark.mpi
@pytest.mark.timeout(300)
@pytest.mark.parametrize("file", CASES)
def test_a_campaign_file_runs_over_mpi_and_in_one_process(file: str, tmp_path: Path) -> None:
    module, oracle = CASES[file]
    pytest.importorskip(module)
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = str(beside) if beside.exists() else shutil.which("mpiexec")
    if launcher is None:
        pytest.skip("there is no mpiexec")
    job = [str(JOB), str(EXAMPLES / file), str(tmp_path), *([oracle] if oracle else [])]
    done = subprocess.run(
        [launcher, "--allow-run-as-root", "--oversubscribe", "-n", "4", sys.executable, *job],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [one["engine"] for one in told] == ["mpi", "inline"]
    for one in told:
        assert one["status"] == "finished", one
        assert one["labels"] >= 11, one
        assert one["trained"], one
