"""The program in a queue's job: started once, its end written down, ended in order."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from querist.core.tasks import Resources
from querist.oracles import job


def spec(folder: Path, *argv: str, **more) -> Path:
    held = {
        "argv": list(argv),
        "folder": str(folder),
        "environment": {"ADDED": "1"},
        "timeout": None,
        "memory_mb": None,
        "grace": 0.0,
        "launcher": "none",
        "launcher_options": [],
        "pin": True,
        "resources": {"ranks": 1},
    }
    job.write_json(folder / "job-1.json", {**held, **more})
    return folder / "job-1.json"


def begin(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, job.__file__, str(path)])


def test_the_end_is_written_down_and_the_second_time_nothing_happens(tmp_path: Path) -> None:
    path = spec(tmp_path, "/bin/sh", "-c", "echo $ADDED >> ran; exit 3")
    for _ in range(2):
        assert begin(path).wait() == 0
    assert (tmp_path / "ran").read_text() == "1\n"
    ended = job.read_json(tmp_path / "job-1.ended.json")
    assert (ended["why"], ended["status"]) == ("ended", 3)
    started = job.read_json(tmp_path / "job-1.started.json")
    assert job.birth(started["pid"]) == ""
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_one_claims_a_job_where_there_are_no_links(tmp_path: Path, monkeypatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "this file system has no links")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "job-1.started.json"
    assert job.claim(path)
    assert not job.claim(path)
    assert job.read_json(path)["pid"] == os.getpid()
    assert os.listdir(tmp_path) == [path.name]
    path.write_bytes(b"")  # as it is for an instant
    assert job.read_json(path) == {}


def test_a_scheduler_that_ends_it_finds_all_gone_and_the_word_written(tmp_path: Path) -> None:
    path = spec(tmp_path, "/bin/sh", "-c", "sleep 600 & echo $! > child; wait")
    process = begin(path)
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
        time.sleep(0.01)
    child = int((tmp_path / "child").read_text())
    assert job.birth(child)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert job.birth(child) == ""
    assert job.read_json(tmp_path / "job-1.ended.json")["why"] == "stopped"


def test_the_number_in_the_queue_is_noted_by_the_job_itself(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PBS_JOBID", "77.server")
    assert job.claim(tmp_path / "started")
    assert not job.claim(tmp_path / "started")
    held = job.read_json(tmp_path / "started")
    assert (held["native"], held["pid"]) == ("77.server", os.getpid())
    assert held["birth"] == job.birth(os.getpid()) != ""
    assert job.read_json(tmp_path / "none") == {}


def test_ranks_are_started_by_the_launcher_that_the_job_finds(tmp_path: Path) -> None:
    path = spec(tmp_path, "sim", launcher="mpirun -np $ranks", resources=vars_of(ranks=4))
    command = job.composed(json.loads(path.read_text()))
    assert command.argv == ["mpirun", "-np", "4", "sim"]
    assert command.environment["ADDED"] == "1"


def vars_of(**more) -> dict[str, object]:
    made = Resources(**more)
    return {name: getattr(made, name) for name in made.__slots__}
