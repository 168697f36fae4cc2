"""What makes nothing outlive its parent, whoever is killed.

Three things hold together. A worker asks the kernel to die with the thread that spawned it
(Linux), and ends itself when its connection closes (everywhere). A *warden*, a small process of
its own for each engine, waits for the engine's process to end and then kills what the workers
had started. And whatever a worker starts is found again by its session, or by a mark in its
environment, even after its parents are gone.

The warden runs this file as a script, without site packages, so it imports the standard library
only.
"""

import ctypes
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

MARK = "QUERIST_LEASH"
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PATIENCE, _LIMIT = 0.5, 3.0  # seconds: between SIGTERM and SIGKILL; altogether


class Row(NamedTuple):
    """One process: its number, its session, and whether it has ended already."""

    pid: int
    session: int
    ended: bool


def die_with_parent(signum: int) -> None:
    """Get this signal when the thread that spawned this process ends; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)


def processes() -> list[Row]:
    """All processes of this machine that can be seen."""
    if os.path.isdir("/proc/self"):  # noqa: PTH112 (pathlib is slow to import)
        rows = (_row(int(name)) for name in os.listdir("/proc") if name.isdigit())
        return [row for row in rows if row is not None]
    listing = subprocess.run(
        ["ps", "-axo", "pid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    return [_ps_row(*line.split()[:2]) for line in listing.splitlines()]


def _row(pid: int) -> Row | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            # The name in brackets may hold anything, brackets too.
            words = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Row(pid, int(words[3]), words[0] in (b"Z", b"X"))


def _ps_row(pid: str, state: str) -> Row:
    session = -1
    with suppress(OSError):
        session = os.getsid(int(pid))
    return Row(int(pid), session, state.startswith("Z"))


def marked(sessions: Collection[int], marks: Collection[str]) -> dict[int, bool]:
    """Living processes of these sessions, or with one of these marks in their environment.

    Returns:
        By process number, whether it is in one of the sessions.
    """
    wanted = [f"{MARK}={mark}".encode() for mark in marks]
    found = {}
    for pid, session, ended in processes():
        # Session 0 is that of the kernel and, in a container, of what came from outside.
        inside = 0 < session in sessions
        if pid != os.getpid() and not ended and (inside or _has_mark(pid, wanted)):
            found[pid] = inside
    return found


def _has_mark(pid: int, wanted: list[bytes]) -> bool:
    environment = _environment(pid)
    return any(mark in environment for mark in wanted)


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:  # another user's, gone, or no such file on this system
        return b""


def end_marked(sessions: Collection[int], marks: Collection[str]) -> None:
    """Kill what :func:`marked` finds until nothing is left, those born meanwhile included.

    What is in a session of its own first gets SIGTERM and a moment: it may be a guard of further
    processes that nobody else can find.
    """
    begun, asked = time.monotonic(), set()
    while time.monotonic() < begun + _LIMIT:
        found = marked(sessions, marks)
        if not found:
            return
        patient = time.monotonic() < begun + _PATIENCE
        for pid, inside in found.items():
            if inside or not patient:
                send(pid, signal.SIGKILL)
            elif pid not in asked:
                asked.add(pid)
                send(pid, signal.SIGTERM)
        time.sleep(0.002)


def send(pid: int, signum: int) -> None:
    """Send a signal to a process that may be gone, or not ours."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


class Warden:
    """The process that cleans up after an engine whose process was killed.

    Args:
        scratch: A temporary folder that is to be removed then; "" for none.
    """

    def __init__(self, scratch: str = "") -> None:
        command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), scratch]
        # A session of its own, so that no signal to the terminal's or the caller's group hits it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def watch(self, pid: int, mark: str) -> None:
        """From now on this worker's session and mark are the warden's business."""
        self._tell(f"+ {pid} {mark}\n")

    def forget(self, pid: int, mark: str) -> None:
        """This worker and what it started are gone."""
        self._tell(f"- {pid} {mark}\n")

    def close(self) -> None:
        """End it; what it still watches is killed, its folder removed."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        # A warden that somebody killed is missed only when this process is killed as well.
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def new_mark() -> str:
    """A mark for one worker and all below it, engines within it included: theirs begin with it."""
    return os.environ.get(MARK, "") + secrets.token_hex(8)


def _lines(parent: int) -> Iterator[bytes]:
    """What the engine says, until it closes the pipe or its process is gone."""
    # The pipe alone is not enough: a fork of the parent that outlives it holds it open.
    alarm, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(signal.SIGTERM)
    os.set_blocking(0, False)
    rest = b""
    while True:
        orphaned = os.getppid() != parent
        if not orphaned and alarm in select.select([0, alarm], [], [])[0]:
            os.read(alarm, 4096)
            continue
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            data = b""
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def main(parent: int, scratch: str) -> None:
    """Wait for the end of ``parent``, then clean up."""
    watched: set[tuple[int, str]] = set()
    for line in _lines(parent):
        sign, pid, mark = line.decode().split()
        (watched.add if sign == "+" else watched.discard)((int(pid), mark))
    if watched:
        end_marked({pid for pid, _ in watched}, {mark for _, mark in watched})
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
