"""Campaigns over MPI: ``mpiexec querist run``, in jobs of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from querist.campaign.campaign import summary_of
from querist.campaign.labels import LabelReader
from querist.store.run_folder import RunFolder

pytestmark = pytest.mark.mpi
HERE = Path(__file__).resolve().parent
CAMPAIGN: dict[str, Any] = {
    "engine": "mpi",
    "generators": {"use": "uniform", "options": {"low": [0, 0], "high": [2, 2]}},
    "model": {"use": "random_features", "options": {"features": 32, "members": 4}},
    "oracles": {"use": "function", "options": {"function": "mpi_roles:simulate", "outputs": "y"}},
    "gate": {"output": "y", "quantile": 0.5},
    "initial": 8,
    "holdout": 0.2,
    "budget": {"labels": 40},
    "retrain": {"every_labels": 8},
    "retry": {"attempts": 3, "backoff": 0.05},
}
CLI = ("-m", "querist")


class Jobs:
    """A folder with a problem, and what runs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        shutil.copy(HERE / "mpi_roles.py", folder)
        self.configure()
        beside = Path(sys.executable).with_name("mpiexec")
        found = str(beside) if beside.exists() else shutil.which("mpiexec")
        if found is None:
            pytest.skip("there is no mpiexec")
        self.mpiexec = [found, "--allow-run-as-root", "--oversubscribe"]

    def configure(self, **changes: Any) -> None:
        oracle = {**CAMPAIGN["oracles"], "workers": 2}
        text = yaml.safe_dump({**CAMPAIGN, "oracles": oracle, **changes})
        (self.folder / "campaign.yaml").write_text(text)

    def start(
        self, ranks: int, *command: str, ft: bool = False, timeout: float = 60
    ) -> subprocess.CompletedProcess:
        options = ["--with-ft", "ulfm"] if ft else []
        launcher = [*self.mpiexec, *options, "-n", str(ranks)] if ranks else []
        return subprocess.run(
            [*launcher, sys.executable, *command],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1] / "src")},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def pools(self) -> dict[str, int]:
        """Workers of the newest start; all explorers together."""
        counts = summary_of(self.run)["run"]["pools"]
        explorers = sum(name.startswith("explorer.") for name in counts)
        others = {name: n for name, n in counts.items() if not name.startswith("explorer.")}
        return {"explorer": explorers, **others}

    def explored(self) -> list[dict[str, Any]]:
        """What slices found."""
        records = RunFolder(self.run).journal_reader().read_new()
        return [record.data for record in records if record.kind == "explored"]

    def labels(self) -> int:
        return len(LabelReader(self.run / "journal").all())


RUN = (*CLI, "run", "campaign.yaml", "--folder", "run", "--progress", "none")
RESUME = (*CLI, "resume", "run", "--progress", "none")


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    pytest.importorskip("mpi4py")
    return Jobs(tmp_path)


def test_a_campaign_runs_and_a_crashing_oracle_costs_one_task(jobs: Jobs) -> None:
    (jobs.folder / "crash.once").touch()
    done = jobs.start(5, *RUN)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("finished: 40 labels") == 1
    assert jobs.labels() == 40
    assert not (jobs.folder / "crash.once").exists()
    failures = jobs.start(0, *CLI, "failures", "run")
    assert "SIGSEGV" in failures.stdout
    assert ", 0 of them final" in failures.stdout


@pytest.mark.slow
def test_a_run_goes_on_with_processes_and_back_on_other_ranks(jobs: Jobs) -> None:
    jobs.configure(budget={"labels": 16})
    assert jobs.start(4 + 1, *RUN).returncode == 0
    jobs.start(0, *CLI, "set", "run", "--labels", "28")
    done = jobs.start(0, *RESUME, "--engine", "processes")
    assert done.returncode == 0, done.stderr
    assert jobs.labels() == 28
    jobs.start(0, *CLI, "set", "run", "--labels", "40")
    done = jobs.start(7, *RESUME)
    assert done.returncode == 0, done.stderr
    assert jobs.labels() == 40


@pytest.mark.slow
def test_auto_counts_follow_the_ranks_and_a_resume_has_others(jobs: Jobs) -> None:
    oracle = {**CAMPAIGN["oracles"], "workers": {"share": 3}}
    jobs.configure(budget={"labels": 16}, explorers="auto", trainers="auto", oracles=oracle)
    assert jobs.start(9, *RUN).returncode == 0
    assert jobs.pools() == {"explorer": 2, "oracle.oracle": 5, "trainer": 1}
    jobs.start(0, *CLI, "set", "run", "--labels", "28")
    done = jobs.start(5, *RESUME)
    assert done.returncode == 0, done.stderr
    assert jobs.labels() == 28
    assert jobs.pools() == {"explorer": 1, "oracle.oracle": 2, "trainer": 1}
    done = jobs.start(3, *RESUME)
    assert done.returncode == 1
    assert done.stderr.count("4 MPI ranks are needed") == 1


@pytest.mark.slow
@pytest.mark.parametrize("by", ["member", "replica"])
def test_generators_and_predictors_have_ranks_of_their_own(jobs: Jobs, by: str) -> None:
    jobs.configure(placement={"kind": "split", "generators": 3, "predictors": 2, "by": by})
    done = jobs.start(9, *RUN)
    assert done.returncode == 0, done.stderr
    assert jobs.labels() == 40
    counts = summary_of(jobs.run)["run"]["pools"]
    leads = 1 if by == "member" else 2
    assert sum(name.startswith("explorer.") for name in counts) == leads
    assert sum(n for name, n in counts.items() if name.startswith("generator.")) == 3
    assert counts.get("predictor.0", 0) == 2 - leads
    found = jobs.explored()
    assert sum(slice["steps"] for slice in found if slice["version"]) > 10
    assert {slice["slot"] for slice in found} == set(range(leads))
    if by == "member":
        jobs.start(0, *CLI, "set", "run", "--labels", "48")
        done = jobs.start(8, *RESUME)  # one too few
        assert done.returncode == 1
        assert done.stderr.count("9 MPI ranks are needed") == 1
        done = jobs.start(0, *RESUME, "--engine", "processes")  # colocated, there
        assert done.returncode == 0, done.stderr
        assert jobs.labels() == 48
        assert jobs.pools() == {"explorer": 1, "oracle.oracle": 2, "trainer": 1}


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["generator.0-1", "predictor.0-0", "explorer.0-0"])
def test_a_lost_rank_of_a_split_explorer_is_survived(jobs: Jobs, victim: str) -> None:
    """With a spare rank (of 10, one is idle) its place is taken."""
    model = {"use": "mpi_roles:FragileFeatures", "options": {"victim": victim, "members": 4}}
    generator = {"use": "mpi_roles:FragileUniform", "options": {"victim": victim}}
    placement = {"kind": "split", "generators": 3, "predictors": 2, "by": "member"}
    jobs.configure(placement=placement, model=model, generators=generator)
    (jobs.folder / "rank.once").touch()
    done = jobs.start(10, *RUN, ft=True)
    if "unrecognized" in done.stderr or "unknown option" in done.stderr:
        pytest.skip("this MPI has no ULFM")
    assert done.returncode == 0, done.stderr
    assert not (jobs.folder / "rank.once").exists()
    assert jobs.labels() == 40
    assert sum(slice["steps"] for slice in jobs.explored()[-3:]) > 0


def test_too_few_ranks_are_refused_once_at_once_and_leave_nothing(jobs: Jobs) -> None:
    begun = time.monotonic()
    done = jobs.start(3, *RUN)
    assert done.returncode == 1
    assert done.stderr.count("5 MPI ranks are needed") == 1
    assert "Traceback" not in done.stderr
    assert not jobs.run.exists()
    assert time.monotonic() < begun + 30


def test_a_syntax_error_of_the_user_is_told_once(jobs: Jobs) -> None:
    (jobs.folder / "wrong.py").write_text("def oracle(:\n")
    jobs.configure(oracles={"use": "wrong:oracle"})
    done = jobs.start(4, *RUN)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("wrong.py, line 1") == 1


def test_what_cannot_be_imported_on_the_workers_ends_the_job(jobs: Jobs) -> None:
    code = "import sys\nif 'querist-worker' in sys.argv:\n    import no_such_module\n"
    (jobs.folder / "partly.py").write_text(code + "def oracle(x):\n    return 1.0\n")
    jobs.configure(oracles={"use": "function", "options": {"function": "partly:oracle"}})
    begun = time.monotonic()
    done = jobs.start(4, *RUN)
    assert done.returncode == 1, done.stderr
    assert "failed: no worker is left in the pool 'oracle.oracle'" in done.stderr
    assert "no_such_module" in done.stderr
    assert time.monotonic() < begun + 30


def test_several_processes_without_the_engine_are_refused(jobs: Jobs) -> None:
    jobs.configure(engine="processes")
    done = jobs.start(3, *RUN)
    assert done.returncode == 1
    assert done.stderr.count("Use --engine mpi") == 1
    assert not jobs.run.exists()


@pytest.mark.slow
def test_a_lost_rank_is_survived_with_fault_tolerance(jobs: Jobs) -> None:
    options = {"function": "mpi_roles:simulate_and_lose_its_rank", "outputs": "y"}
    jobs.configure(oracles={"use": "function", "options": options, "workers": 2})
    (jobs.folder / "rank.once").touch()
    done = jobs.start(5, *RUN, ft=True)
    if "unrecognized" in done.stderr or "unknown option" in done.stderr:
        pytest.skip("this MPI has no ULFM")
    assert done.returncode == 0, done.stderr
    assert jobs.labels() == 40
    assert not (jobs.folder / "rank.once").exists()


@pytest.mark.slow
def test_a_script_runs_on_all_ranks_and_goes_on_once_and_ends_before_the_walltime(
    jobs: Jobs,
) -> None:
    (jobs.folder / "script.py").write_text(
        "from querist import Campaign\n"
        "def simulate(x):\n"
        "    return float(x[0])\n"
        "campaign = Campaign(generator={'use': 'uniform', 'options': {'low': [0], 'high': [1]}},\n"
        "    model='random_features', oracle=simulate, output='y', engine='mpi',\n"
        "    initial=8, budget={'seconds': 600})\n"
        "result = campaign.run('run', progress=False, walltime=6)\n"
        "print('after:', result.status, result.reason)\n"
        "campaign.resume('run', progress=False, walltime=2)\n"
        "print('again:', len(result.dataset()) > 0)\n"
    )
    done = jobs.start(4, "script.py")
    assert done.returncode == 0, done.stderr
    assert "after: stopped stopped before the walltime of 6 s" in done.stdout
    assert done.stdout.count("after:") == 1
    assert "again: True" in done.stdout


@pytest.mark.slow
def test_a_strategy_orders_the_candidates_on_one_engine_and_the_next(jobs: Jobs) -> None:
    jobs.configure(strategy={"use": "lcmd", "batch": 6, "least": 10}, budget={"labels": 24})
    assert jobs.start(5, *RUN).returncode == 0
    made = summary_of(jobs.run)["selection"]
    assert made["by_strategy"]["lcmd"] > 5
    jobs.start(0, *CLI, "set", "run", "--labels", "36")
    done = jobs.start(0, *RESUME, "--engine", "processes")
    assert done.returncode == 0, done.stderr
    assert jobs.labels() == 36
    assert summary_of(jobs.run)["selection"]["by_strategy"]["lcmd"] > made["by_strategy"]["lcmd"]
