"""Questions as jobs of a queue: PSI/J's processes of this host, and a SLURM made of scripts."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Failure, Label, Reason
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.tasks import Resources
from querist.oracles import job as jobs
from querist.oracles.queued import QueuedCommand
from querist.testing.contexts import LoneContext

pytest.importorskip("psij")
# PSI/J leaves the pipes of its processes to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO:Warning"),
]
X = Batch.stack(x=np.array([2.0]))
THREE = Batch.stack(x=np.array([1.0, 2.0, 3.0]))
# Says that it started; waits for a file beside the folders where it is told to.
SIMULATION = """
import json, os, sys, time
x, home = float(open("x.txt").read()), sys.argv[1]
with open(os.path.join(home, "starts.txt"), "a") as file:
    file.write(f"{x}\\n")
while os.path.exists(os.path.join(home, "hold")):
    time.sleep(0.02)
if x < 0:
    sys.exit("x is negative")
json.dump({"y": x * x}, open("output.json", "w"))
"""


def queued(home: Path, **more) -> QueuedCommand:
    given = {"poll_seconds": 0.05, "queue_seconds": 0.2, "folder": str(home / "jobs"), **more}
    return QueuedCommand(
        [sys.executable, "sim.py", str(home)],
        templates={"sim.py": SIMULATION, "x.txt": "$x"},
        **given,
    )


def starts(home: Path) -> list[float]:
    path = home / "starts.txt"
    return [float(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path, own_garbage) -> Iterator[None]:
    yield
    (tmp_path / "hold").unlink(missing_ok=True)  # what still waits for it ends
    reaper = importlib.import_module("psij.executors.local")._ProcessReaper.get_instance()
    until = time.monotonic() + 5
    while reaper._jobs and time.monotonic() < until:
        time.sleep(0.05)


def wait_for(condition: Callable[[], object]) -> None:
    while not condition():  # the test's own time limit ends this
        time.sleep(0.02)


def test_each_question_is_a_job_and_few_are_in_the_queue_at_once(
    context: LoneContext, tmp_path: Path
) -> None:
    oracle = queued(tmp_path, max_jobs=2)
    most = 0

    def look() -> bool:
        nonlocal most
        folders = list((tmp_path / "jobs").glob("*")) if (tmp_path / "jobs").exists() else []
        begun = sum((folder / "job-1.json").exists() for folder in folders)
        ended = sum((folder / "job-1.ended.json").exists() for folder in folders)
        most = max(most, begun - ended)
        return False

    context.stop = look
    labels = oracle.answer(THREE, context)
    assert [float(label.outputs["y"]) for label in labels if isinstance(label, Label)] == [1, 4, 9]
    assert sorted(starts(tmp_path)) == [1, 2, 3]
    assert 1 <= most <= 2
    assert sorted(sent["index"] for sent in context.sent) == [0, 1, 2]
    assert all(label.cost > 0 for label in labels)
    assert len(list((tmp_path / "jobs").iterdir())) == 3  # the answers are not durable yet
    oracle.close()
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_failed_job_says_why_and_the_next_try_is_another(
    context: LoneContext, tmp_path: Path
) -> None:
    oracle, batch = queued(tmp_path), Batch.stack(x=np.array([-1.0]))
    for attempt in (1, 2):
        (outcome,) = oracle.answer(batch, context)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.EXIT_CODE
        assert "x is negative" in outcome.message
        (folder,) = (tmp_path / "jobs").iterdir()
        assert (folder / f"job-{attempt}.ended.json").exists()
        assert str(folder) in outcome.traceback
    assert starts(tmp_path) == [-1, -1]


def test_the_time_limit_counts_from_the_start_of_the_job(
    context: LoneContext, tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    oracle = queued(tmp_path, resources=Resources(wall_seconds=0.5))
    (outcome,) = oracle.answer(X, context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.TIMEOUT
    assert "time limit of 0.5 s" in outcome.message


def test_a_cancelled_task_cancels_its_jobs(context: LoneContext, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    context.stop = lambda: len(starts(tmp_path)) == 3
    oracle = queued(tmp_path)
    outcomes = oracle.answer(THREE, context)
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [Reason.CANCELLED] * 3
    for path in (tmp_path / "jobs").rglob("*.started.json"):
        assert jobs.birth(jobs.read_json(path)["pid"]) == ""
    (tmp_path / "hold").unlink()
    context.stop = lambda: False
    assert all(isinstance(outcome, Label) for outcome in oracle.answer(THREE, context))
    assert sorted(starts(tmp_path)) == [1, 1, 2, 2, 3, 3]


class Closing(LoneContext):
    closing = True


def test_jobs_of_a_worker_that_closes_go_on_and_are_found_again(
    context: LoneContext, tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    closing = Closing(context.worker, lambda: len(starts(tmp_path)) == 3)
    queued(tmp_path).answer(THREE, closing)
    context.stop = lambda: (tmp_path / "hold").unlink(missing_ok=True) or False
    labels = queued(tmp_path).answer(THREE, context)
    assert all(isinstance(label, Label) for label in labels), labels
    assert sorted(starts(tmp_path)) == [1, 2, 3]


ASKS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_queued as t
from querist.testing.contexts import lone_context
home = Path(sys.argv[1])
(home / "asking").mkdir()
t.queued(home).answer(t.THREE, lone_context(home / "asking"))
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder whose campaign was killed while three jobs ran, with all of its session."""
    (tmp_path / "hold").touch()
    here = Path(__file__).resolve()
    source = str(here.parents[2] / "src")
    asking = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ASKS), str(tmp_path), str(here.parent)],
        env={**os.environ, "PYTHONPATH": source},
        start_new_session=True,
    )
    wait_for(lambda: len(starts(tmp_path)) == 3 or asking.poll() is not None)
    os.killpg(asking.pid, signal.SIGKILL)
    asking.wait()
    assert len(starts(tmp_path)) == 3
    return tmp_path


@pytest.mark.kill
@pytest.mark.slow
def test_after_a_kill_jobs_that_run_are_waited_for(killed: Path, context: LoneContext) -> None:
    context.stop = lambda: (killed / "hold").unlink(missing_ok=True) or False
    labels = queued(killed).answer(THREE, context)
    assert [float(label.outputs["y"]) for label in labels if isinstance(label, Label)] == [1, 4, 9]
    assert sorted(starts(killed)) == [1, 2, 3]


@pytest.mark.kill
@pytest.mark.slow
def test_after_a_kill_jobs_that_ended_meanwhile_are_read(
    killed: Path, context: LoneContext
) -> None:
    (killed / "hold").unlink()
    wait_for(lambda: len(list((killed / "jobs").rglob("*.ended.json"))) == 3)
    labels = queued(killed).answer(THREE, context)
    assert all(isinstance(label, Label) for label in labels), labels
    assert sorted(starts(killed)) == [1, 2, 3]


@pytest.mark.kill
@pytest.mark.slow
def test_a_job_that_was_killed_meanwhile_is_a_lost_worker(
    killed: Path, context: LoneContext
) -> None:
    for path in (killed / "jobs").rglob("*.started.json"):
        os.kill(jobs.read_json(path)["pid"], signal.SIGKILL)
    outcomes = queued(killed).answer(THREE, context)
    reasons = [getattr(outcome, "reason", None) for outcome in outcomes]
    assert reasons == [Reason.WORKER_LOST] * 3
    (killed / "hold").unlink()
    assert all(isinstance(outcome, Label) for outcome in queued(killed).answer(THREE, context))


def test_a_process_that_took_the_number_of_a_job_is_not_taken_for_it(
    context: LoneContext, tmp_path: Path
) -> None:
    oracle = queued(tmp_path)
    folder = oracle._folder(X.sample(0), context)
    me = {"pid": os.getpid(), "birth": "1", "host": "h", "native": ""}
    jobs.write_json(folder / "job.json", {"attempt": 1, "native": str(os.getpid())})
    jobs.write_json(folder / "job-1.started.json", me)
    (outcome,) = oracle.answer(X, context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.WORKER_LOST


def test_a_job_that_was_written_but_never_submitted_is_submitted(
    context: LoneContext, tmp_path: Path
) -> None:
    oracle = queued(tmp_path)
    folder = oracle._folder(X.sample(0), context)
    from querist.oracles.queued import _Job

    oracle._write(_Job(X.sample(0), folder, 1), context)
    (label,) = queued(tmp_path).answer(X, context)
    assert isinstance(label, Label), label
    assert starts(tmp_path) == [2]


def test_a_job_that_is_submitted_twice_runs_once(context: LoneContext, tmp_path: Path) -> None:
    oracle = queued(tmp_path, keep="all")
    oracle.answer(X, context)
    (folder,) = (tmp_path / "jobs").iterdir()
    again = [sys.executable, jobs.__file__, str(folder / "job-1.json")]
    assert subprocess.run(again, check=False).returncode == 0
    assert starts(tmp_path) == [2]


def test_a_home_that_cannot_be_written_to_is_told(tmp_path: Path, monkeypatch) -> None:
    psij = pytest.importorskip("psij")
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "work"  # a file is no folder, for root neither
    monkeypatch.setattr(psij.JobExecutorConfig, "DEFAULT_WORK_DIRECTORY", place)
    with pytest.raises(ConfigError, match=r"~/\.psij/work, which cannot be made .* Set HOME"):
        queued(tmp_path, executor="local").open(None)


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PSI/J has no executor 'slrum'; it has"):
        queued(tmp_path, executor="slrum").open(None)
    with pytest.raises(ConfigError, match="max_jobs is 1 or more"):
        queued(tmp_path, max_jobs=0)


SBATCH = """
import json, os, pathlib, subprocess, sys, time
home = pathlib.Path(os.environ["FAKE_SLURM"])
if (home / "full").exists():
    (home / "refused").open("a").write("x")
    sys.exit("sbatch: error: QOSMaxSubmitJobPerUserLimit")
number = len(list(home.glob("*.sh"))) + 1
script = pathlib.Path(sys.argv[-1]).read_text()
(home / f"{number}.sh").write_text(script)
slow = f"while [ -e {home}/slow ]; do sleep 0.02; done; exec bash {home}/{number}.sh"
job = subprocess.Popen(["bash", "-c", slow], start_new_session=True,
    env={**os.environ, "SLURM_JOB_ID": str(number)}, stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
(home / f"{number}.pid").write_text(str(job.pid))
print("Submitted batch job", number)
"""
SQUEUE = """
import os, pathlib, sys
home = pathlib.Path(os.environ["FAKE_SLURM"])
if (home / "down").exists():
    (home / "down").unlink()
    sys.exit("slurm_load_jobs error: Unable to contact slurm controller")
print("JOBARRAYID ST REASON")
for path in home.glob("*.pid"):
    try:
        state = open(f"/proc/{path.read_text()}/stat").read().rpartition(")")[2].split()[0]
    except OSError:
        state = "Z"
    if state != "Z":
        print(path.stem, "R", "None")
"""
SCANCEL = """
import os, pathlib, signal, sys
home = pathlib.Path(os.environ["FAKE_SLURM"])
(home / "cancelled").open("a").write(sys.argv[-1])
os.killpg(int((home / f"{sys.argv[-1]}.pid").read_text()), signal.SIGKILL)
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A queue that behaves as SLURM's commands do, as far as PSI/J uses them."""
    bin, home = tmp_path / "bin", tmp_path / "slurm"
    bin.mkdir()
    home.mkdir()
    scripts = {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL, "scontrol": "print('here')"}
    for name, script in scripts.items():
        (bin / name).write_text(f"#!{sys.executable}\n{script}")
        (bin / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    return home


def test_slurm_is_told_what_a_job_needs(slurm: Path, context: LoneContext, tmp_path: Path) -> None:
    oracle = queued(
        tmp_path,
        executor="slurm",
        queue="long",
        account="proj",
        attributes={"slurm.constraint": "cpu"},
        launcher="env RANKS=$ranks",
        resources=Resources(nodes=2, ranks=4, cores=3, gpus=4, memory_mb=500, wall_seconds=600),
    )
    (label,) = oracle.answer(X, context)
    assert isinstance(label, Label), label
    script = (slurm / "1.sh").read_text()
    for line in (
        "--nodes=2",
        "--ntasks-per-node=2",
        "--cpus-per-task=3",
        "--gpus-per-task=1",
        '--partition="long"',
        '--account="proj"',
        '--constraint="cpu"',
        "--time=0:10:0",
    ):
        assert f"#SBATCH {line}" in script
    assert "#SBATCH --mem=" in script


def test_a_full_queue_is_asked_again_and_in_the_end_given_up(
    slurm: Path, context: LoneContext, tmp_path: Path
) -> None:
    (slurm / "full").touch()
    given = {"executor": "slurm", "resources": Resources(wall_seconds=60)}

    def empty_it() -> bool:
        if (slurm / "refused").exists():
            (slurm / "full").unlink(missing_ok=True)
        return False

    context.stop = empty_it
    (label,) = queued(tmp_path, **given).answer(X, context)
    assert isinstance(label, Label), label
    (slurm / "full").touch()
    context.stop = lambda: False
    other = Batch.stack(x=np.array([7.0]))
    (outcome,) = queued(tmp_path, **given, patience=0.0).answer(other, context)
    assert isinstance(outcome, Failure)
    assert "slurm refused the job for 0 s" in outcome.message
    assert "QOSMaxSubmitJobPerUserLimit" in outcome.message
    assert outcome.transient


def test_a_job_of_slurm_is_attached_to_and_cancelled(
    slurm: Path, context: LoneContext, tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    given = {"executor": "slurm", "resources": Resources(wall_seconds=60)}
    closing = Closing(context.worker, lambda: len(starts(tmp_path)) == 1)
    queued(tmp_path, **given).answer(X, closing)
    (record,) = (tmp_path / "jobs").rglob("job.json")
    assert json.loads(record.read_text())["native"] == "1"
    polls = 0

    def later() -> bool:
        nonlocal polls
        polls += 1
        return polls > 10

    context.stop = later
    (outcome,) = queued(tmp_path, **given).answer(X, context)
    assert isinstance(outcome, Failure)
    assert (slurm / "cancelled").read_text() == "1"
    assert starts(tmp_path) == [2]


def test_a_job_that_slurm_killed_is_a_lost_worker(
    slurm: Path, context: LoneContext, tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    given = {"executor": "slurm", "resources": Resources(wall_seconds=60)}

    def kill_it() -> bool:
        for path in (tmp_path / "jobs").rglob("*.started.json"):
            pid = jobs.read_json(path)["pid"]
            if jobs.birth(pid):
                os.kill(pid, signal.SIGKILL)
        return False

    context.stop = kill_it
    (outcome,) = queued(tmp_path, **given).answer(X, context)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.WORKER_LOST
    assert "the job 1 of slurm ended without an answer" in outcome.message


def test_the_same_job_in_the_queue_twice_is_followed_where_it_runs(
    slurm: Path, context: LoneContext, tmp_path: Path
) -> None:
    """A campaign that died between submitting and writing the number down submits once more."""
    (tmp_path / "hold").touch()
    given = {"executor": "slurm", "resources": Resources(wall_seconds=60)}
    closing = Closing(context.worker, lambda: len(starts(tmp_path)) == 1)
    queued(tmp_path, **given).answer(X, closing)
    (record,) = (tmp_path / "jobs").rglob("job.json")
    jobs.write_json(record, {"attempt": 1, "native": ""})
    started = record.with_name("job-1.started.json")
    held = started.read_text()
    started.unlink()  # the first one still waits, as far as can be seen ...
    (slurm / "slow").touch()

    def it_starts() -> bool:  # ... and starts just before the second one, which is submitted now
        second = slurm / "2.pid"
        if second.exists():
            started.write_text(held)
            (slurm / "slow").unlink(missing_ok=True)
            if not jobs.birth(int(second.read_text())):
                (tmp_path / "hold").unlink(missing_ok=True)
        return False

    context.stop = it_starts
    (label,) = queued(tmp_path, **given).answer(X, context)
    assert isinstance(label, Label), label
    assert starts(tmp_path) == [2]


def test_a_scheduler_that_does_not_answer_for_a_while_loses_no_job(
    slurm: Path, context: LoneContext, tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    (slurm / "down").touch()
    oracle = queued(tmp_path, executor="slurm", resources=Resources(wall_seconds=60))

    def it_was_asked() -> bool:
        if starts(tmp_path) and not (slurm / "down").exists():
            (tmp_path / "hold").unlink(missing_ok=True)
        return False

    context.stop = it_was_asked
    (label,) = oracle.answer(X, context)
    assert isinstance(label, Label), label
