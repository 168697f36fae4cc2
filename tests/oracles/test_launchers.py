"""Command lines for sites' launchers; fake ones on the PATH record what they are called with."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Label
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.tasks import Resources
from querist.oracles.allocation import Node, Share
from querist.oracles.launchers import (
    LAUNCHERS,
    Launch,
    check_launcher,
    find_launcher,
    prefix,
    program_environment,
)
from querist.oracles.parallel import ParallelCommand

TWO = Share((Node("n1", (0, 1, 2, 3), ("0", "1")), Node("n2", (4, 5, 6, 7), ("0", "1"))))
WIDE = Resources(nodes=2, ranks=4, cores=2, gpus=4, memory_mb=3000, wall_seconds=90)

EXPECTED = {
    "mpich": "mpiexec -n 4 -ppn 2 -hosts n1,n2 -bind-to user:0+1,2+3",
    "pals": "mpiexec -n 4 --ppn 2 --depth 2 --hosts n1,n2 --cpu-bind list:0,1:2,3",
    "aprun": "aprun -n 4 -N 2 -d 2 -L n1,n2 -cc 0,1:2,3",
    "srun": "srun --exact -N 2 -n 4 -c 2 --kill-on-bad-exit=1 --gpus=4 --mem=1500 --time=2",
    "flux": "flux run -N 2 -n 4 -c 2 -g 1 -t 90s",
    "jsrun": "jsrun -n 4 -r 2 -a 1 -c 2 -g 1 -b packed:2",
    "none": "",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_each_launcher_is_told(name: str) -> None:
    assert " ".join(prefix(name, Launch(WIDE, TWO))) == EXPECTED[name]


def test_open_mpi_gets_a_file_of_ranks(tmp_path: Path) -> None:
    words = prefix("openmpi", Launch(WIDE, TWO, tmp_path))
    assert words[:5] == ["mpiexec", "-n", "4", "--host", "n1:2,n2:2"]
    assert words[-4:] == ["--map-by", f"rankfile:file={tmp_path}/ranks.txt", "--bind-to", "core"]
    assert (tmp_path / "ranks.txt").read_text().splitlines() == [
        "rank 0=n1 slot=0,1",
        "rank 1=n1 slot=2,3",
        "rank 2=n2 slot=4,5",
        "rank 3=n2 slot=6,7",
    ]


def test_a_share_of_this_host_is_held_by_affinity() -> None:
    here = Launch(Resources(ranks=2), Share((Node("localhost", (1, 3)),)))
    assert here.by_affinity == (1, 3)
    assert prefix("openmpi", here)[-2:] == ["--bind-to", "none"]
    assert prefix("mpich", here)[-2:] == ["-bind-to", "none"]
    loose = Launch(Resources(ranks=2), Share((Node("localhost", (1, 3)),)), pin=False)
    assert loose.by_affinity == ()


def test_nothing_is_pinned_where_that_is_asked(tmp_path: Path) -> None:
    loose = {name: prefix(name, Launch(WIDE, TWO, tmp_path, pin=False)) for name in LAUNCHERS}
    assert loose["openmpi"][-2:] == ["--bind-to", "none"]
    assert loose["mpich"][-2:] == ["-bind-to", "none"]
    assert loose["pals"][-2:] == ["--cpu-bind", "none"]
    assert loose["aprun"][-2:] == ["-cc", "none"]
    assert loose["srun"][-1] == "--cpu-bind=none"
    assert loose["flux"][-2:] == ["-o", "cpu-affinity=off"]
    assert loose["jsrun"][-2:] == ["-b", "none"]


def test_within_a_step_srun_overlaps_it() -> None:
    assert "--overlap" in prefix("srun", Launch(WIDE, TWO, overlap=True))


def test_without_a_share_the_launcher_places() -> None:
    assert prefix("mpich", Launch(WIDE)) == ["mpiexec", "-n", "4", "-ppn", "2"]
    assert prefix("openmpi", Launch(WIDE))[-1] == "ppr:2:node:PE=2"
    assert prefix("pals", Launch(WIDE))[-2:] == ["--depth", "2"]
    assert prefix("aprun", Launch(WIDE))[-2:] == ["-d", "2"]


def test_a_command_line_of_ones_own() -> None:
    given = "mpirun -np $ranks -host $hosts --cores '$core_list' -d $cores"
    check_launcher(given)
    words = prefix(given, Launch(WIDE, TWO, given=given))
    assert " ".join(words) == "mpirun -np 4 -host n1,n2 --cores 0,1,2,3,4,5,6,7 -d 2"
    with pytest.raises(ConfigError, match=r"names \$processes"):
        check_launcher("mpirun -np $processes")
    with pytest.raises(ConfigError, match="no launcher 'slurm'; known are auto, openmpi"):
        check_launcher("slurm")


VERSIONS = {
    "mpiexec (Open MPI) 5.0.11": "openmpi",
    "mpiexec (OpenRTE) 4.1.2": "openmpi",
    "HYDRA build details:": "mpich",
    "Intel(R) MPI Library for Linux* OS, Version 2021": "mpich",
    "mpiexec version 1.2.4 (PALS)": "pals",
}


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("told", VERSIONS)
def test_mpiexec_is_recognised(bin: Path, told: str) -> None:
    program(bin, "mpiexec", f"echo '{told}'")
    assert find_launcher("auto", {"PATH": str(bin)}) == VERSIONS[told]


def test_the_scheduler_s_launcher_comes_first(bin: Path) -> None:
    program(bin, "mpiexec", "echo Open MPI")
    for mark, name in (("SLURM_JOB_ID", "srun"), ("LSB_JOBID", "jsrun"), ("FLUX_URI", "flux")):
        job = {"PATH": str(bin), mark: "1"}
        assert find_launcher("auto", job) == "openmpi"  # it is not there
        program(bin, name, "true")
        assert find_launcher("auto", job) == name
    assert find_launcher("srun", {}) == "srun"


def test_no_launcher_is_told_in_words(bin: Path) -> None:
    with pytest.raises(ConfigError, match="no launcher of parallel programs was found"):
        find_launcher("auto", {"PATH": str(bin)})
    program(bin, "mpiexec", "echo Mystery MPI")
    with pytest.raises(ConfigError, match=r"which mpiexec this is .* 'Mystery MPI'"):
        find_launcher("auto", {"PATH": str(bin)})
    program(bin, "aprun", "true")
    (bin / "mpiexec").unlink()
    assert find_launcher("auto", {"PATH": str(bin)}) == "aprun"


def test_variables_of_the_rank_and_the_step_are_removed() -> None:
    job = {"PATH": "/bin", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1", "FLUX_URI": "x"}
    step = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_NTASKS": "8", "PMI_RANK": "3"}
    step |= {"SLURM_CPU_BIND_TYPE": "mask_cpu", "FLUX_TASK_RANK": "1", "PMIX_RANK": "3"}
    step |= {"SLURM_MEM_PER_CPU": "1000", "JSM_NAMESPACE_RANK": "1", "OMPI_MCA_x": "1"}
    assert program_environment({**job, **step}) == job


RECORD = f"""#!{sys.executable}
import json, os, sys
at = sys.argv.index("--")
json.dump({{"argv": sys.argv[1:at], "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
    "step": os.environ.get("SLURM_STEP_ID")}}, open("launch.json", "w"))
os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
"""


@pytest.mark.parametrize("name", ["srun", "flux", "jsrun", "mpich", "pals", "aprun"])
def test_the_program_runs_under_a_launcher(
    name: str, bin: Path, context, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = {"mpich": "mpiexec", "pals": "mpiexec"}.get(name, name)
    (bin / called).write_text(RECORD)
    (bin / called).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setenv("SLURM_STEP_ID", "5")
    script = 'import json; json.dump({"y": json.load(open("launch.json"))["argv"]}, open("o","w"))'
    oracle = ParallelCommand(
        [sys.executable, "-c", script],
        launcher=name,
        launcher_options=["--verbose", "--"],
        output="o",
        resources=Resources(ranks=1, gpus=1),
        keep="all",
    )
    (label,) = oracle.answer(Batch.stack(x=np.array([1.0])), context)
    assert isinstance(label, Label), label
    words = label.outputs["y"].tolist()
    assert words[-1] == "--verbose"
    assert "1" in words
    (told,) = context.worker.scratch.rglob("launch.json")
    held = json.loads(told.read_text())
    assert held["visible"] == "7"
    assert held["step"] is None
