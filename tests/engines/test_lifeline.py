"""What is found and ended after its parents are gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from querist.engines import lifeline

SRC = str(Path(__file__).resolve().parents[2] / "src")
POLITE = """
import pathlib, signal, sys, time
def leave(*_):
    pathlib.Path(sys.argv[1] + ".asked").touch()
    sys.exit()
signal.signal(signal.SIGTERM, leave)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""
STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Returns a function: code, mark, Popen options -> a process that has run its first lines."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(code: str, mark: str = "", **options: bool) -> subprocess.Popen[bytes]:
        note = tmp_path / f"note-{len(started)}"
        environment = {**os.environ, **({lifeline.MARK: mark} if mark else {})}
        command = [sys.executable, "-S", "-c", code, str(note)]
        started.append(subprocess.Popen(command, env=environment, **options))
        while not note.exists():
            time.sleep(0.002)
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_processes_are_found_by_session_or_mark(start) -> None:
    mark = lifeline.new_mark()
    leader = start(STUBBORN, start_new_session=True)
    other = start(STUBBORN, mark=mark, start_new_session=True)
    nested = start(STUBBORN, mark=mark + "more", start_new_session=True)
    start(STUBBORN, start_new_session=True)
    assert lifeline.marked({leader.pid}, [mark]) == {
        leader.pid: True,
        other.pid: False,
        nested.pid: False,
    }
    assert lifeline.marked(set(), []) == {}
    assert lifeline.marked({0}, []) == {}  # the kernel's


def test_a_process_that_ended_is_not_found(start) -> None:
    mark = lifeline.new_mark()
    process = start(POLITE, mark=mark)
    process.kill()
    while lifeline.marked(set(), [mark]):  # until it is a zombie
        time.sleep(0.002)
    assert process.wait() == -signal.SIGKILL


def test_what_is_detached_is_asked_first(start, tmp_path: Path) -> None:
    mark = lifeline.new_mark()
    inside = start(POLITE, start_new_session=True)
    detached = start(POLITE, mark=mark, start_new_session=True)
    lifeline.end_marked({inside.pid}, [mark])
    assert inside.wait() == -signal.SIGKILL
    assert detached.wait() == 0
    assert (tmp_path / "note-1.asked").exists()


def test_what_does_not_listen_is_killed(start) -> None:
    mark = lifeline.new_mark()
    detached = start(STUBBORN, mark=mark, start_new_session=True)
    lifeline.end_marked(set(), [mark])
    assert detached.wait() == -signal.SIGKILL


def test_a_warden_cleans_up_at_the_end(start, tmp_path: Path) -> None:
    mark, kept_mark = lifeline.new_mark(), lifeline.new_mark()
    watched = start(STUBBORN, mark=mark, start_new_session=True)
    forgotten = start(STUBBORN, mark=kept_mark, start_new_session=True)
    scratch = tmp_path / "scratch"
    (scratch / "below").mkdir(parents=True)
    warden = lifeline.Warden(str(scratch))
    warden.watch(watched.pid, mark)
    warden.watch(forgotten.pid, kept_mark)
    warden.forget(forgotten.pid, kept_mark)
    warden.close()
    assert watched.wait() == -signal.SIGKILL
    assert forgotten.poll() is None
    assert not scratch.exists()


def test_a_warden_that_somebody_killed_is_missed_by_nobody() -> None:
    warden = lifeline.Warden()
    pid = warden.pid
    os.kill(pid, signal.SIGKILL)
    warden.watch(1, "mark")
    warden.close()


PARENT = """
import os, sys, time
from querist.engines.lifeline import Warden
warden = Warden(sys.argv[3])
warden.watch(int(sys.argv[1]), sys.argv[2])
if os.fork() == 0:  # holds the warden's pipe open
    time.sleep(60)
time.sleep(float(sys.argv[4]))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.kill
def test_a_warden_notices_that_its_parent_was_killed(start, tmp_path: Path) -> None:
    for number in range(4):  # while the warden begins, and while it waits
        mark = lifeline.new_mark()
        sleeper = start(STUBBORN, start_new_session=True)
        scratch = tmp_path / f"scratch-{number}"
        scratch.mkdir()
        pause = str(0.3 * (number % 2))
        command = [sys.executable, "-c", PARENT, str(sleeper.pid), mark, str(scratch), pause]
        environment = {**os.environ, "PYTHONPATH": SRC, lifeline.MARK: lifeline.new_mark()}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, start_new_session=True
        ) as parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"ready\n"
            parent.kill()
            assert sleeper.wait(20) == -signal.SIGKILL
            while scratch.exists():
                time.sleep(0.002)
            os.killpg(parent.pid, signal.SIGKILL)
