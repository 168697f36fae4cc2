"""Nothing outlives the process that has the engine, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SRC = str(Path(__file__).resolve().parents[2] / "src")

SCRIPT = """
import os, sys
from querist.core.tasks import Task
from querist.engines.processes import Processes
from querist.testing.fakes import pool

engine = Processes()
engine.start([pool(handler="DyingHandler", count=2, depth=0), pool("idle", "ContextHandler")])
for number in range(2):
    note = f"{sys.argv[1]}/{number}"
    payload = {"children": [False, True], "pids": note, "seconds": 60}
    engine.submit(Task(str(number), "work", "work", payload))
engine.submit(Task("idle", "work", "idle"))
while not sys.argv[2] or len(os.listdir(sys.argv[1])) < 3:
    for event in engine.events(0.1):
        if getattr(event, "task", "") == "idle" and hasattr(event, "result"):
            with open(f"{sys.argv[1]}/idle", "w") as file:
                file.write(f"{event.result['pid']} {event.result['scratch']}")
"""


@pytest.mark.kill
@pytest.mark.parametrize("end", ["kill -9", "exit without close"])
def test_nothing_outlives_the_parent(look, tmp_path: Path, end: str) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": SRC}
    parent = subprocess.Popen(
        [sys.executable, script, str(folder), "" if end == "kill -9" else "leave"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        notes = [folder / "0", folder / "1", folder / "idle"]
        look.wait_for(lambda: all(note.exists() and note.read_text().split()[1:] for note in notes))
        below = look.children(parent.pid)
        named = {int(word) for n in notes for word in n.read_text().split() if word.isdigit()}
        assert len(named) == 7
        scratch = Path(notes[2].read_text().split()[1])
        assert scratch.exists()
    finally:
        if end == "kill -9":
            parent.kill()
        parent.wait(20)
    look.wait_for(lambda: not any(look.alive(pid) for pid in below | named))
    look.wait_for(lambda: not scratch.parent.exists())


HOG = """
import sys, time
from querist.core.tasks import Task
from querist.engines.processes import Processes
from querist.testing.fakes import pool

engine = Processes()
engine.start([pool(handler="DyingHandler")])
engine.submit(Task("hog", "work", "work", {"how": "hog", "pids": sys.argv[1]}))
while True:
    engine.events(None)
"""


@pytest.mark.kill
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the warden is needed for this")
def test_a_worker_that_lets_no_thread_run_dies_with_its_parent_even_without_a_warden(
    look,
    tmp_path: Path,
) -> None:
    script, note = tmp_path / "script.py", tmp_path / "pids"
    script.write_text(HOG, encoding="utf-8")
    command = [sys.executable, script, str(note)]
    # Without its warden nobody removes the temporary folder, so it lies in this test's own.
    environment = {**os.environ, "PYTHONPATH": SRC, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(command, env=environment)
    try:
        look.wait_for(lambda: note.exists() and note.read_text())
        worker = int(note.read_text())
        (warden,) = look.children(parent.pid) - {worker}
        os.kill(warden, signal.SIGKILL)
        assert look.alive(worker)
    finally:
        parent.kill()
        parent.wait()
    look.wait_for(lambda: not look.alive(worker))
