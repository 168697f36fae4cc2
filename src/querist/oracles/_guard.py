"""Runs one command and lets nothing of it outlive the process that asked for it.

A program of its own, run as ``python -I -S _guard.py``; it needs the standard library only. Its
standard input is a pipe whose other end only the asking process holds: one line of JSON says
what to run, and the end of the pipe, which comes when that process closes it or dies in any way,
says to end everything. On Linux it is also told of its parent's death by a signal (a pipe may be
inherited by a forked process and stay open), and it is the subreaper of all that the command
starts, so that a process which daemonises itself still becomes a child of this one and is found
and killed. Elsewhere it kills the command's process group.

Its standard output gets one line of JSON when the command and all its descendants are gone:
``status`` (the exit status, negative for a signal), ``why`` ("ended", "stopped", "timeout",
"memory" or "start"), ``error``, ``seconds``, ``cpu`` and ``peak_mb`` (of the largest process).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform.startswith("linux")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
MEMORY_POLL = 0.05


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, where the system is Linux."""
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def parents() -> dict[int, int]:
    """Parent by process id, of all processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # It may end while it is read.
            with contextlib.suppress(OSError, ValueError):
                # The command's name stands in brackets and may hold anything, brackets too.
                after_name = (entry / "stat").read_bytes().rpartition(b")")[2]
                found[int(entry.name)] = int(after_name.split()[1])
    return found


def descendants() -> list[int]:
    """Process ids of all that this process and its children started, zombies included."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    queue = [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def memory_mb() -> float:
    """Resident memory of all descendants together."""
    total = 0.0
    for pid in descendants():
        with contextlib.suppress(OSError, ValueError):
            total += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE_MB
    return total


class Guard:
    """One command, from its start to the end of its last descendant."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.command: subprocess.Popen[bytes] | None = None
        self.status: int | None = None
        self.started = time.monotonic()

    def start(self) -> None:
        """Start the command in a session of its own; raises OSError where that fails."""
        folder, me = Path(self.spec["folder"]), os.getpid()

        def in_child() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != me:
                os._exit(127)
            if self.spec["cores"] and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, self.spec["cores"])

        with (
            (folder / self.spec["stdout"]).open("wb") as out,
            (folder / self.spec["stderr"]).open("wb") as err,
        ):
            self.command = subprocess.Popen(
                self.spec["argv"],
                cwd=folder,
                env=self.spec["env"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=in_child,  # safe: this process has one thread
            )

    def watch(self, wakeups: int) -> str:
        """Wait until the command ends or must end; returns why."""
        deadline = self.started + (self.spec["timeout"] or float("inf"))
        limit = self.spec["memory_mb"]
        while True:
            self.reap()
            if self.status is not None:
                return "ended"
            left = deadline - time.monotonic()
            if left <= 0:
                return "timeout"
            if limit is not None and LINUX and memory_mb() > limit:
                return "memory"
            pause = min(left, MEMORY_POLL if limit is not None else 3600.0)
            ready, _, _ = select.select([0, wakeups], [], [], pause)
            if 0 in ready and not os.read(0, 4096):
                return "stopped"
            if wakeups in ready and not set(os.read(wakeups, 4096)) <= {signal.SIGCHLD}:
                return "stopped"

    def reap(self) -> None:
        """Collect all children that have ended: the command, and orphans of its own."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.command is not None and pid == self.command.pid:
                self.status = self.command.returncode = os.waitstatus_to_exitcode(status)

    def ask(self) -> None:
        """Give the command its grace to end by itself."""
        until = time.monotonic() + self.spec["grace"]
        if self.command is not None and self.spec["grace"]:
            self.command.send_signal(signal.SIGTERM)
        while self.status is None and time.monotonic() < until:
            time.sleep(0.01)
            self.reap()

    def end_all(self) -> None:
        """Kill descendants until there is none."""
        while LINUX:
            left = [pid for pid in descendants() if kill(pid)]
            self.reap()
            if not left:
                break
            time.sleep(0.002)
        if self.status is None and self.command is not None:
            with contextlib.suppress(OSError):
                os.killpg(self.command.pid, signal.SIGKILL)
            self.status = self.command.wait()


def kill(pid: int) -> bool:
    """Kill a process; returns whether it was there and may be killed."""
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:  # gone, or another user's
        return False
    return True


def main() -> None:
    """Run what standard input asks for."""
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wakeups, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65536)
        if not part:
            return
        line += part
    spec = json.loads(line)
    if os.getppid() != spec["parent"]:
        return
    report(run(Guard(spec), wakeups))


def run(guard: Guard, wakeups: int) -> dict[str, Any]:
    """Start, watch and end; returns what to report."""
    try:
        guard.start()
    except (OSError, ValueError) as error:
        return {"why": "start", "status": None, "error": str(error)}
    why = guard.watch(wakeups)
    seconds = time.monotonic() - guard.started
    if why != "ended":
        guard.ask()
    guard.end_all()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "why": why,
        "status": guard.status,
        "error": "",
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / (1024 if LINUX else 2**20),
    }


def report(what: dict[str, Any]) -> None:
    """Write the result; the asking process may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
