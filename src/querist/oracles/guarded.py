"""Runs a command so that it ends in time and leaves no process behind.

The work is done by ``_guard.py``, a small program between this process and the command: should this
process die, even by kill -9, the guard ends the command and everything the command started.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GUARD = Path(__file__).with_name("_guard.py")
POLL_SECONDS = 0.05
STUCK_SECONDS = 10.0
STDOUT, STDERR = "stdout.txt", "stderr.txt"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run.

    Attributes:
        argv: Program and arguments; no shell is involved.
        folder: Working folder; ``stdout.txt`` and ``stderr.txt`` are written there.
        environment: The whole environment.
        timeout: Seconds after which the command is ended, None for no limit.
        memory_mb: Resident MiB, over the whole process tree, above which it is ended (Linux; looked
            at 20 times a second, pages shared by several processes count several times).
        cores: To which it is held, none for no change (Linux).
        grace: Seconds that it has after SIGTERM, where it must be ended before its time; a launcher
            needs some, to end its ranks on other nodes.
    """

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    timeout: float | None = None
    memory_mb: int | None = None
    cores: Sequence[int] = ()
    grace: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended; by then all its descendants are gone.

    Attributes:
        why: "ended" (by itself), "stopped" (on request), "timeout", "memory", "start" (it could not
            be started) or "guard" (its guard was killed).
        status: Exit status, negative for a signal, None when it never started.
        error: Why it could not be started.
        seconds: Run time.
        cpu: CPU seconds of the whole tree.
        peak_mb: Resident memory of its largest process.
    """

    why: str
    status: int | None = None
    error: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0


def run_guarded(command: Command, should_stop: Callable[[], bool]) -> Ended:
    """Run a command to its end.

    Call it from the thread that lives as long as the command shall.

    Args:
        command: What to run.
        should_stop: Polled 20 times a second; when true, the command is ended.
    """
    started, mark = time.monotonic(), uuid.uuid4().hex
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(GUARD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the terminal's Ctrl-C is for us to act upon
    ) as guard:
        try:
            _send(guard, command, mark)
            line = _wait(guard, should_stop)
        except BaseException:
            _end(guard)
            raise
        _end(guard)
    if not line.endswith(b"\n"):
        _sweep(mark)
        return Ended("guard", seconds=time.monotonic() - started)
    return Ended(**json.loads(line))


def _send(guard: subprocess.Popen[bytes], command: Command, mark: str) -> None:
    assert guard.stdin is not None
    spec = {
        "argv": list(command.argv),
        "folder": str(command.folder),
        # Lets what is left be found should the guard itself be killed.
        "env": {**command.environment, "QUERIST_GUARD": mark},
        "timeout": command.timeout,
        "memory_mb": command.memory_mb,
        "cores": list(command.cores),
        "grace": command.grace,
        "stdout": STDOUT,
        "stderr": STDERR,
        "parent": os.getpid(),
    }
    try:
        guard.stdin.write(json.dumps(spec).encode() + b"\n")
        guard.stdin.flush()
    except BrokenPipeError:  # the guard was killed; reading its report will say so
        return


def _wait(guard: subprocess.Popen[bytes], should_stop: Callable[[], bool]) -> bytes:
    """The guard's report; empty when it was killed."""
    assert guard.stdin is not None
    assert guard.stdout is not None
    line, give_up = b"", float("inf")
    while not line.endswith(b"\n") and time.monotonic() < give_up:
        ready, _, _ = select.select([guard.stdout], [], [], POLL_SECONDS)
        if ready:
            part = os.read(guard.stdout.fileno(), 65536)
            if not part:
                break
            line += part
        elif not guard.stdin.closed and should_stop():
            _close(guard)
            give_up = time.monotonic() + STUCK_SECONDS
    return line


def _close(guard: subprocess.Popen[bytes]) -> None:
    assert guard.stdin is not None
    try:
        guard.stdin.close()
    except BrokenPipeError:  # it is gone already
        return


def _end(guard: subprocess.Popen[bytes]) -> None:
    """Let the guard end what it guards, and wait for it."""
    _close(guard)
    try:
        guard.wait(STUCK_SECONDS)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()


def _sweep(guard: str) -> None:
    """Kill what a killed guard left behind, by the mark in its environment (Linux)."""
    mark = f"QUERIST_GUARD={guard}".encode()
    proc = Path("/proc")
    while proc.is_dir() and (left := [int(p.name) for p in proc.iterdir() if _marked(p, mark)]):
        for pid in left:
            _kill(pid)
        time.sleep(0.002)


def _marked(process: Path, mark: bytes) -> bool:
    if not process.name.isdigit():
        return False
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def tail(path: Path, size: int = 4000) -> str:
    """The last bytes of a log as text; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def in_words(ended: Ended, command: Command) -> str:
    """A sentence that says how a command ended badly."""
    name = Path(command.argv[0]).name
    sentences: dict[str, Any] = {
        "start": f"{command.argv[0]!r} could not be started: {ended.error}.",
        "timeout": f"{name} exceeded its time limit of {command.timeout} s and was ended.",
        "memory": f"{name} exceeded its memory limit of {command.memory_mb} MiB and was ended.",
        "stopped": f"{name} was ended because its task was cancelled.",
        "guard": f"the guard of {name} was killed, and the command with it.",
    }
    if ended.why in sentences:
        return str(sentences[ended.why])
    status = ended.status or 0
    if status < 0:
        return f"{name} was ended by the signal {-status} ({signal.strsignal(-status)})."
    return f"{name} ended with the exit status {status}."
