"""Resources of simulations: what is refused, whose share is which, campaigns of MPI programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from querist.campaign.checking import problems
from querist.campaign.labels import LabelReader
from querist.campaign.loading import parse_settings
from querist.campaign.placing import allocation_of, placed
from querist.campaign.settings import AllocationSettings, CampaignSettings
from querist.campaign.wiring import plan, pools
from querist.core.errors import ConfigError
from querist.core.tasks import Resources

SRC = Path(__file__).resolve().parents[2] / "src"
PARALLEL = {"use": "parallel", "options": {"command": ["sim"], "launcher": "srun"}}
FUNCTION = {"use": "function", "options": {"function": "math:sin", "outputs": "y"}}


def settings(oracle: dict[str, Any], **more: Any) -> CampaignSettings:
    return parse_settings(
        {
            "generators": {"use": "uniform", "options": {"low": [0], "high": [2]}},
            "model": {"use": "random_features", "options": {"features": 16, "members": 3}},
            "oracles": {"sim": oracle},
            "gate": {"output": "y", "quantile": 0.5},
            "initial": 4,
            "budget": {"labels": 6},
            **more,
        },
        "a test",
    )


def complaint(oracle: dict[str, Any]) -> str:
    return "\n".join(problems(settings(oracle)))


def test_each_worker_gets_a_share_of_its_own() -> None:
    oracle = {**PARALLEL, "workers": 2, "resources": {"ranks": 2, "cores": 3}}
    found = settings(oracle, allocation={"nodes": ["n1"], "cores": 14, "reserve": 2})
    (pool,) = [s for s in placed(found, pools(found)) if s.name == "oracle.sim"]
    shares = pool.handler.options["shares"]
    assert [share.nodes[0].cores for share in shares] == [tuple(range(2, 8)), tuple(range(8, 14))]
    assert pool.handler.options["resources"] == Resources(ranks=2, cores=3)
    assert pool.resources == Resources()  # the worker itself only waits


def test_ranks_that_nobody_asked_for_do_not_launch() -> None:
    found = settings({**PARALLEL, "workers": 2}, allocation={"nodes": ["n1"], "cores": 2})
    more = [replace(s, count=9) if s.name == "oracle.sim" else s for s in pools(found)]
    (pool,) = [s for s in placed(found, more) if s.name == "oracle.sim"]
    assert pool.count == 2


def test_a_queue_has_its_own_rules() -> None:
    queue = {"use": "queue", "options": {"command": ["sim"], "executor": "slurm"}}
    assert "resources.wall_seconds is missing" in complaint(queue)
    limited = {**queue, "resources": {"wall_seconds": 60, "ranks": 4}}
    assert complaint(limited) == ""
    assert "would count the time that a job waits" in complaint({**limited, "timeout": 60})
    local = {"use": "queue", "options": {"command": ["sim"]}}
    assert complaint(local) == ""
    found = settings({**limited, "workers": 50})
    assert placed(found, pools(found)) == pools(found)  # it needs no share of this job


def test_what_does_not_fit_is_told_before_there_is_a_run(tmp_path: Path) -> None:
    from querist import Campaign

    oracle = {**PARALLEL, "workers": 3, "resources": {"ranks": 2}}
    campaign = Campaign(settings(oracle, allocation={"nodes": ["n1"], "cores": 4}))
    with pytest.raises(ConfigError, match=r"3 workers .* only 2 of them fit into the setting"):
        campaign.run(tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_an_ordinary_oracle_s_resources_are_those_of_its_workers() -> None:
    wanted = {"cores": 2, "gpus": 0.5, "memory_mb": 500, "wall_seconds": 9}
    found = settings({**FUNCTION, "resources": wanted})
    (pool,) = [s for s in placed(found, pools(found)) if s.name == "oracle.sim"]
    assert (pool.resources.gpus, pool.resources.memory_mb, pool.threads) == (0.5, 500, 2)
    assert plan(found).oracles[0].timeout == 9
    assert plan(settings({**PARALLEL, "resources": wanted})).oracles[0].timeout is None


@pytest.mark.parametrize(
    ("oracle", "words"),
    [
        ({**FUNCTION, "resources": {"ranks": 4}}, "runs in one process and cannot have 4 ranks"),
        ({**PARALLEL, "resources": {"ranks": 3, "nodes": 2}}, "3 ranks cannot be shared out"),
        (
            {**PARALLEL, "resources": {"wall_seconds": 5}, "timeout": 6},
            "wall_seconds and 'timeout' limit the same thing",
        ),
        (
            {**FUNCTION, "resources": {"memory_mb": 5}, "memory_mb": 6},
            "memory_mb and 'memory_mb' limit the same thing",
        ),
        (
            {
                "use": "parallel",
                "options": {"command": ["sim"], "timeout": 3},
                "resources": {"wall_seconds": 5},
            },
            "wall_seconds and 'timeout' limit the same thing",
        ),
        ({"outside": 3, "resources": {"cores": 2}}, "answered from outside has none"),
    ],
)
def test_nonsense_is_refused_in_sentences(oracle: dict[str, Any], words: str) -> None:
    assert f"oracles.sim.resources: {words}" in complaint(oracle) or words in complaint(oracle)


def test_unknown_and_negative_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'ranks'"):
        settings({**PARALLEL, "resources": {"rank": 4}})
    with pytest.raises(ConfigError, match=r"resources\.ranks: should be greater than or equal"):
        settings({**PARALLEL, "resources": {"ranks": 0}})
    with pytest.raises(ConfigError, match=r"allocation\.part"):
        settings(PARALLEL, allocation={"part": "half"})


def test_a_part_comes_from_the_environment_or_the_settings() -> None:
    job = {"SLURM_JOB_NODELIST": "n[1-4]", "SLURM_JOB_CPUS_PER_NODE": "8(x4)"}
    half = AllocationSettings(part="1/2")
    assert [node.name for node in allocation_of(half, 0, job).nodes] == ["n1", "n2"]
    other = {**job, "QUERIST_PART": "2/2"}
    assert [node.name for node in allocation_of(half, 0, other).nodes] == ["n3", "n4"]
    stated = AllocationSettings(nodes=("a", "b"), cores=3, gpus=2)
    assert [(n.name, len(n.cores), n.gpus) for n in allocation_of(stated, 0, job).nodes] == [
        ("a", 3, ("0", "1")),
        ("b", 3, ("0", "1")),
    ]


def test_gpus_of_explorers_and_trainers_are_left_to_them() -> None:
    oracle = {**PARALLEL, "resources": {"gpus": 1}}
    here = {"nodes": ["n1"], "cores": 4, "gpus": 3}
    found = settings(oracle, allocation=here, gpus={"explorers": 0.5, "trainers": 1})
    (pool,) = [s for s in placed(found, pools(found)) if s.name == "oracle.sim"]
    assert pool.handler.options["shares"][0].nodes[0].gpus == ("2",)


SIMULATION = """
import json, math, os
from mpi4py import MPI
world = MPI.COMM_WORLD
x = float(open("x.txt").read())
total = world.allreduce(math.sin(x) / world.size)
if world.rank == 0:
    json.dump({"y": total, "ranks": world.size}, open("output.json", "w"))
"""


@pytest.fixture
def mpi_campaign(tmp_path: Path) -> Path:
    pytest.importorskip("mpi4py")
    (tmp_path / "sim.py").write_text(SIMULATION)
    oracle = {
        "use": "parallel",
        "options": {
            "command": [sys.executable, str(tmp_path / "sim.py")],
            "templates": {"x.txt": "$x"},
            "launcher": "openmpi",
            "pin": False,
            "outputs": {"y": [], "ranks": []},
        },
        "workers": 2,
        "resources": {"ranks": 2, "wall_seconds": 60},
    }
    made = settings(oracle, allocation={"cores": 4})
    text = yaml.safe_dump(made.model_dump(mode="json", exclude_unset=True))
    (tmp_path / "campaign.yaml").write_text(text)
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    beside = str(Path(sys.executable).parent)
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    path = f"{beside}:{os.environ['PATH']}"
    if shutil.which("mpiexec", path=path) is None:
        pytest.skip("there is no mpiexec")
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **allowed, "PYTHONPATH": str(SRC), "PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


QUERIST = (sys.executable, "-m", "querist")
RUN = (*QUERIST, "run", "campaign.yaml", "--folder", "run", "--progress", "none")
MPIEXEC = ("mpiexec", "--oversubscribe", "-n", "5")


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["processes", "mpi", "mpi-in-rank"])
def test_a_campaign_of_mpi_simulations(mpi_campaign: Path, engine: str) -> None:
    if engine == "mpi-in-rank":
        text = (mpi_campaign / "campaign.yaml").read_text()
        held = {**yaml.safe_load(text), "engine": {"kind": "mpi", "options": {"isolate": False}}}
        (mpi_campaign / "campaign.yaml").write_text(yaml.safe_dump(held))
    launcher = () if engine == "processes" else MPIEXEC
    kind = engine.partition("-")[0]
    done = run(mpi_campaign, *launcher, *RUN, "--engine", kind)
    assert done.returncode == 0, done.stderr
    labels = LabelReader(mpi_campaign / "run" / "journal").all()
    assert len(labels) >= 6
    assert {float(sample["ranks"]) for sample in labels.outputs.samples()} == {2.0}
    failed = run(mpi_campaign, *QUERIST, "failures", "run")
    assert "0 failures" in failed.stdout, failed.stdout


SRUN = """#!/bin/sh
echo "$QUERIST_PART $*" >> srun.log
while [ "$1" != "{python}" ]; do shift; done
exec "$@"
"""
BATCH = """
for i in 1 2; do
    QUERIST_PART=$i/2 querist run campaign.yaml --folder runs/$i --progress none --walltime 60 &
    jobs="$jobs $!"
done
trap 'kill -USR1 $jobs' USR1
wait $jobs
"""


def test_campaigns_share_a_slurm_job_by_parts(tmp_path: Path) -> None:
    """The recipe of the documentation, with the variables that SLURM sets, and a recording srun."""
    script = "import json, sys; json.dump({'y': float(sys.argv[1])}, open('output.json', 'w'))"
    oracle = {
        "use": "parallel",
        "options": {"command": [sys.executable, "-c", script, "$x"]},
        "workers": 2,
        "resources": {"ranks": 2, "cores": 2, "memory_mb": 100, "wall_seconds": 60},
    }
    made = settings(oracle, trainers=0)
    text = yaml.safe_dump(made.model_dump(mode="json", exclude_unset=True))
    (tmp_path / "campaign.yaml").write_text(text)
    bin = tmp_path / "bin"
    bin.mkdir()
    boot = f"#!{sys.executable}\nfrom querist.cli import main\nmain()\n"
    home = SRUN.replace("srun.log", str(tmp_path / "srun.log"))
    for name, text in (("srun", home.format(python=sys.executable)), ("querist", boot)):
        (bin / name).write_text(text)
        (bin / name).chmod(0o755)
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_CPUS_PER_NODE": "8(x2)"}
    job |= {"PATH": f"{bin}:{os.environ['PATH']}", "PYTHONPATH": str(SRC)}
    done = subprocess.run(
        ["bash", "-c", BATCH],
        cwd=tmp_path,
        env={**os.environ, **job},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for part in (1, 2):
        assert len(LabelReader(tmp_path / "runs" / str(part) / "journal").all()) >= 4
    told = (tmp_path / "srun.log").read_text().splitlines()
    assert {line.partition(" ")[0] for line in told} == {"1/2", "2/2"}
    exact = "--exact -N 1 -n 2 -c 2 --kill-on-bad-exit=1 --mem=100 --time=1 "
    assert all(exact in line for line in told)


def test_what_is_kept_of_a_run_has_the_resources(tmp_path: Path) -> None:
    found = settings({**PARALLEL, "resources": {"ranks": 2}})
    kept = json.loads(json.dumps(found.model_dump(mode="json")))
    assert parse_settings(kept, "kept") == found
