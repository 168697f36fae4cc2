"""Campaigns whose oracle answers on Dask's, Parsl's or mpi4py's workers, one of which dies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from querist.campaign.labels import LabelReader

SRC = Path(__file__).resolve().parents[2] / "src"
PROBLEM = """
import math, os
HERE = os.path.dirname(os.path.abspath(__file__))

def simulate(x):
    try:
        os.unlink(os.path.join(HERE, "die.once"))
    except FileNotFoundError:
        return {"y": math.sin(float(x[0])), "pid": os.getpid(), "parent": os.getppid()}
    os._exit(7)
"""
CAMPAIGN = {
    "generators": {"use": "uniform", "options": {"low": [0], "high": [2]}},
    "model": {"use": "random_features", "options": {"features": 16, "members": 3}},
    "gate": {"output": "y", "quantile": 0.5},
    "initial": 6,
    "holdout": 0.0,
    "budget": {"labels": 8},
    "retry": {"attempts": 3, "backoff": 0.05},
}


def oracle(executor: str, **options) -> dict[str, object]:
    inner = {"function": "problem:simulate", "outputs": {"y": [], "pid": []}}
    how = {"oracle": "querist.oracles.function:FunctionOracle", "options": inner}
    how |= {"executor": executor, "executor_options": options}
    return {"use": "executor", "options": how, "batch": 2}


def run(folder: Path, made: dict[str, object], *launcher: str, engine: str = "processes") -> str:
    (folder / "problem.py").write_text(PROBLEM)
    config = {**CAMPAIGN, "oracles": made, "engine": engine}
    (folder / "campaign.yaml").write_text(yaml.safe_dump(config))
    words = (sys.executable, "-m", "querist", "run", "campaign.yaml", "--folder", "run")
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    allowed["PRTE_MCA_rmaps_default_mapping_policy"] = ":oversubscribe"
    with (folder / "said").open("w") as said:  # a pipe would be held open by what is left behind
        done = subprocess.run(
            [*launcher, *words, "--progress", "none"],
            cwd=folder,
            env={**os.environ, **allowed, "PYTHONPATH": str(SRC)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            timeout=90,
            check=False,
        )
    text = (folder / "said").read_text()
    assert done.returncode == 0, text
    return text


def failures(folder: Path) -> list[str]:
    from querist.campaign.inspecting import failures_of

    return [failure.sentence() for failure in failures_of(folder / "run")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "more"), [("dask", {"n_workers": 2}), ("parsl", {"workers": 2})])
def test_a_worker_that_dies_costs_one_try(tmp_path: Path, name: str, more: dict) -> None:
    pytest.importorskip({"dask": "distributed"}.get(name, name))
    (tmp_path / "die.once").touch()
    run(tmp_path, oracle(name, **more))
    labels = LabelReader(tmp_path / "run" / "journal").all()
    assert len(labels) == 8
    failed = failures(tmp_path)
    assert failed
    assert all("the executor lost its worker" in failure for failure in failed), failed
    assert all("[try " in failure for failure in failed)
    pids = {int(sample["pid"]) for sample in labels.outputs.samples()}
    assert len(pids) >= 2


@pytest.mark.mpi
def test_mpi4py_spawns_ranks_that_answer(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("there is no mpiexec")
    run(tmp_path, oracle("mpi", max_workers=2), found, "-n", "1", engine="inline")
    labels = LabelReader(tmp_path / "run" / "journal").all()
    assert len(labels) == 8
    assert len({int(sample["pid"]) for sample in labels.outputs.samples()}) == 2
    assert failures(tmp_path) == []
