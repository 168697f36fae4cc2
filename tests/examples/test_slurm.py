"""The batch scripts: what they start, and what they do when it ends. Nothing of it is real here;
the example's own check runs them with a campaign over MPI.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "slurm"
SCRIPTS = ("campaign.sbatch", "campaign.pbs")
LAUNCHER = """\
#!/bin/bash
trap 'echo USR1 >> said; exit 75' USR1
trap 'echo TERM >> said; exit 143' TERM
echo "$*" > started
[ "$STATUS" = wait ] && while :; do sleep 0.01; done
exit "$STATUS"
"""
NOTE = '#!/bin/bash\necho "$(basename "$0") $*" >> calls\n'
STARTS = "querist run campaign.yaml --folder runs/q-7"
RESUMES = "querist resume runs/q-7"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, text in {"launch": LAUNCHER, "scontrol": NOTE, "qsub": NOTE}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "nodes").write_text("a\nb\n")
    return tmp_path


def job(site: Path, script: str, status: object, **more: str) -> subprocess.Popen[bytes]:
    variables = {
        "PATH": f"{site}:{os.environ['PATH']}",
        "LAUNCH": "launch",
        "STATUS": str(status),
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": "q",
        "SLURM_NTASKS": "2",
        "PBS_JOBID": "7.server",
        "PBS_JOBNAME": "q",
        "PBS_O_WORKDIR": str(site),
        "PBS_NODEFILE": str(site / "nodes"),
        **more,
    }
    return subprocess.Popen(["bash", FOLDER / script], cwd=site, env=variables)


def text(site: Path, name: str) -> str:
    return (site / name).read_text().strip() if (site / name).exists() else ""


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("status", [0, 1, 2, 75, 130])
def test_only_what_is_out_of_time_goes_on_in_another_job(site, script, status) -> None:
    assert job(site, script, status).wait(20) == status
    assert text(site, "started").startswith(STARTS)
    told = text(site, "calls")
    if status != 75:
        assert told == ""
    elif script == "campaign.sbatch":
        assert told == "scontrol requeue 7"
    else:
        assert told == "qsub -v RUN=runs/q-7,LEFT=99,SECONDS_OF_JOB=14400 campaign.pbs"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_run_that_was_begun_is_resumed(site, script) -> None:
    (site / "runs" / "q-7").mkdir(parents=True)
    (site / "runs" / "q-7" / "manifest.json").touch()
    assert job(site, script, 0).wait(20) == 0
    assert text(site, "started").startswith(RESUMES)
    assert "--engine mpi" in text(site, "started")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    "number, status, calls", [(signal.SIGUSR1, 75, 1), (signal.SIGTERM, 143, 0)]
)
def test_signals_are_passed_on_and_the_end_is_awaited(site, script, number, status, calls) -> None:
    running = job(site, script, "wait")
    deadline = time.monotonic() + 20
    while not text(site, "started"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(number)
    assert running.wait(20) == status
    assert text(site, "said") == number.name.removeprefix("SIG")
    assert len(text(site, "calls").splitlines()) == calls


def test_the_time_that_is_left_is_the_walltime(site) -> None:
    end = int(time.time()) + 1000
    assert job(site, "campaign.sbatch", 0, SLURM_JOB_END_TIME=str(end)).wait(20) == 0
    words = text(site, "started").split()
    assert 980 <= int(words[words.index("--walltime") + 1]) <= 1000
    assert job(site, "campaign.pbs", 0, SECONDS_OF_JOB="600").wait(20) == 0
    assert "--walltime 600" in text(site, "started")


def test_a_chain_is_not_without_end(site) -> None:
    assert job(site, "campaign.sbatch", 75, SLURM_RESTART_COUNT="100").wait(20) == 75
    assert job(site, "campaign.pbs", 75, LEFT="0").wait(20) == 75
    assert text(site, "calls") == ""
