"""Simulations outside the workers, when a campaign is killed, stopped, or told to withdraw one."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from commanded import Site, until

from querist.store.run_folder import RunFolder

pytestmark = pytest.mark.kill

# Notes its start with its sample; steps, and says so; keeps a checkpoint; waits for "hold" to go.
SIMULATION = """
import json, os, sys, time
home = os.environ["HOME_OF_TEST"]
checkpoint = os.environ.get("QUERIST_CHECKPOINT", "")
begin = int(open(checkpoint).read()) if checkpoint else 0
name = os.path.basename(os.getcwd())
with open(os.path.join(home, "calls.log"), "a") as file:
    file.write(f"begin {name} {begin}\\n")
for step in range(begin + 1, 4):
    with open("state.tmp", "w") as file:
        file.write(str(step))
    os.replace("state.tmp", "state.chk")
    print(json.dumps({"step": step}), file=open("progress.jsonl", "a"), flush=True)
    while step == 2 and os.path.exists(os.path.join(home, "hold")):
        time.sleep(0.02)
x = [float(word) for word in open("x.txt").read().split()]
json.dump({"y": sum(x)}, open("output.json", "w"))
"""


def simulate(site: Site, use: str, labels: int = 6, **options) -> None:
    (site.folder / "sim.py").write_text(SIMULATION)
    given = {
        "command": [sys.executable, str(site.folder / "sim.py")],
        "templates": {"x.txt": "$x"},
        "environment": {"HOME_OF_TEST": str(site.folder)},
        "stream": "progress.jsonl",
        "outputs": {"y": []},
        **options,
    }
    site.configure(
        oracles={"use": use, "options": given, "workers": 3},
        initial=labels,
        holdout=0.0,
        budget={"labels": labels},
    )


def begun(site: Site) -> Counter[str]:
    return Counter(call[1] for call in site.calls())


@pytest.mark.slow
class TestQueue:
    """Jobs of a queue outlive the campaign, on purpose."""

    @pytest.fixture(autouse=True)
    def jobs(self, site: Site) -> None:
        pytest.importorskip("psij")
        simulate(site, "queue", poll_seconds=0.1)

    def running(self, site: Site) -> list[str]:
        return [command for command in site.processes().values() if "oracles/job.py" in command]

    def test_after_a_kill_no_job_is_started_twice(self, site: Site) -> None:
        (site.folder / "hold").touch()
        process = site.begin()
        until(lambda: len(begun(site)) == 3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        until(lambda: not [c for c in site.processes().values() if "querist-worker" in c])
        assert len(self.running(site)) >= 3
        process = site.begin()
        until(lambda: site.worker("oracle.oracle-2"))
        time.sleep(1.0)  # they are asked again, and attach
        assert sum(begun(site).values()) == 3
        (site.folder / "hold").unlink()
        site.finish(process)
        assert set(begun(site).values()) == {1}
        assert len(begun(site)) == len(site.facts("answer.label")) == 6
        assert site.facts("answer.failure") == []

    def test_jobs_that_end_while_nobody_waits_are_read(self, site: Site) -> None:
        (site.folder / "hold").touch()
        process = site.begin()
        until(lambda: len(begun(site)) == 3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        (site.folder / "hold").unlink()
        until(lambda: not self.running(site))
        site.finish()
        assert set(begun(site).values()) == {1}
        assert len(site.facts("answer.label")) == 6

    def test_a_stop_leaves_jobs_and_a_resume_finds_them(self, site: Site) -> None:
        (site.folder / "hold").touch()
        process = site.begin()
        until(lambda: len(begun(site)) == 3)
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert len(self.running(site)) >= 3
        (site.folder / "hold").unlink()
        site.finish()
        assert set(begun(site).values()) == {1}

    def test_a_worker_that_is_killed_leaves_its_job_to_its_heir(self, site: Site) -> None:
        (site.folder / "hold").touch()
        process = site.begin()
        until(lambda: len(begun(site)) == 3)
        os.kill(site.worker("oracle.oracle-1"), signal.SIGKILL)
        until(lambda: site.facts("answer.failure"))
        (site.folder / "hold").unlink()
        site.finish(process)
        assert set(begun(site).values()) == {1}


@pytest.mark.slow
def test_a_command_goes_on_from_its_checkpoint_after_the_campaign_was_killed(site: Site) -> None:
    simulate(site, "command", checkpoint="*.chk")
    (site.folder / "hold").touch()
    process = site.begin()
    until(lambda: len(list(site.run.rglob("state.chk"))) == 3)
    until(lambda: {p.read_text() for p in site.run.rglob("state.chk")} == {"2"})
    site.kill(process)
    (site.folder / "hold").unlink()
    site.finish()
    firsts = [call[1] for call in site.calls()[:3]]
    again = [(call[1], call[2]) for call in site.calls()[3:]]
    assert {(name, "2") for name in firsts} <= set(again)
    assert len(site.facts("answer.label")) == 6
    assert list(site.run.rglob("state.chk")) == []


@pytest.mark.mpi
@pytest.mark.slow
def test_no_rank_outlives_a_campaign_that_was_killed(site: Site, monkeypatch) -> None:
    pytest.importorskip("mpi4py")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if shutil.which("mpiexec") is None:
        pytest.skip("there is no mpiexec")
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")
    simulate(site, "parallel", launcher="openmpi", pin=False)
    (site.folder / "sim.py").write_text("from mpi4py import MPI\n" + SIMULATION)
    text = (site.folder / "campaign.yaml").read_text()
    (site.folder / "campaign.yaml").write_text(text + "allocation: {cores: 3}\n")
    (site.folder / "hold").touch()
    process = site.begin()
    until(lambda: len(begun(site)) == 3)
    site.kill(process)
    (site.folder / "hold").unlink()
    site.finish()
    assert len(site.facts("answer.label")) == 6


def test_a_question_is_withdrawn_while_it_is_answered(site: Site) -> None:
    simulate(site, "command")
    (site.folder / "hold").touch()
    process = site.begin()
    until(lambda: len(begun(site)) == 3)
    question = site.facts("question.asked")[0].data["question"]
    status, said = site.ask("cancel", site.run, question)
    assert status == 0, said
    until(lambda: site.facts("answer.failure"))
    (failure,) = site.facts("answer.failure")
    assert failure.data["question"] == question
    assert failure.data["final"]
    (site.folder / "hold").unlink()
    site.finish(process)
    assert len(site.facts("answer.label")) == 6
    assert len(site.facts("answer.failure")) == 1
    assert not list(RunFolder(site.run).inbox.pending())


def test_status_shows_how_far_simulations_are(site: Site) -> None:
    simulate(site, "command")
    (site.folder / "hold").touch()
    process = site.begin()
    until(lambda: site.ask("status", site.run)[1].count('"step": 2') == 3)
    _, said = site.ask("status", site.run)
    assert said.count('"step": 2') == 3
    assert "oracle.oracle-0" in said
    (site.folder / "hold").unlink()
    site.finish(process)
    assert "step" not in site.ask("status", site.run)[1]
