"""Watches over the beginning of an MPI job, so that ranks never wait for one that cannot come.

A rank whose script ends before it comes to the campaign (a module that cannot be imported there)
leaves the others in MPI_Init or in their first collective call. Most launchers then end the job.
Open MPI with ULFM does not, and nobody does where that rank initialised MPI itself, for it then
waits in MPI_Finalize. A rank that waits holds Python's lock, so this is a process of its own, for
as long as the beginning takes. It imports nothing but the standard library, to start quickly.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = "QUERIST_MPI_PATIENCE"
_PATIENCE = 300.0  # seconds that all ranks have to come
_LOOK = 0.2  # seconds
_SURE = 3  # looks that agree
_OTHERS = 1.5  # seconds that the node's first rank has to act before the others
_LAUNCHERS = ("prterun", "prted")  # they end all ranks when they are told to end
_JOB, _LOCAL, _SIZE = "PMIX_NAMESPACE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"

_met = threading.Event()


@contextmanager
def watched(size: int) -> Iterator[None]:
    """While all ranks meet: end the job if one of them has ended, or does not come in time.

    Args:
        size: Of the job, as far as it is known without MPI; alone there is nobody to wait for.
    """
    if size < 2:
        yield
        return
    command = [sys.executable, "-I", "-S", __file__]
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        watch.communicate()  # it ends when its input does, also if this process is killed
        _met.set()


def abandon() -> None:
    """For the end of a process: if an error ended its script before all met, end the job.

    Where the script has initialised MPI itself this rank would wait in MPI_Finalize for the others,
    which wait for it.
    """
    mpi: Any = sys.modules.get("mpi4py.MPI")
    failed = hasattr(sys, "last_value") and not _met.is_set()
    if failed and mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        sys.stdout.flush()
        sys.stderr.write("querist: this rank ended before the campaign began. The job is ended.\n")
        sys.stderr.flush()
        mpi.COMM_WORLD.Abort(1)


class Muster:
    """What is seen of a node's ranks from beside one of them.

    Args:
        rank: The process id of that rank.
        environment: Its variables.
    """

    def __init__(self, rank: int, environment: Mapping[str, str]) -> None:
        self.rank, self._environment = rank, environment
        self.launcher = self._find_launcher()
        self.patience = float(environment.get(PATIENCE, _PATIENCE))

    def _find_launcher(self) -> int:
        """The process that started the node's ranks, 0 where it is none that is known."""
        if not self._environment.get(_JOB, "").startswith("prterun") or not self._expected:
            return 0
        pid = self.rank
        while pid > 1:
            pid = int(_stat(pid)[1] or 0)
            if _name(pid) in _LAUNCHERS:
                return pid
        return 0

    @property
    def _expected(self) -> int:
        return int(self._environment.get(_SIZE, 0))

    def missing(self) -> int:
        """How many of the node's ranks have ended."""
        return self._expected - len(self._living()) if self.launcher else 0

    def _living(self) -> list[int]:
        """Local numbers of ranks that live."""
        job, found = self._environment[_JOB], []
        for pid in _children(self.launcher):
            theirs = _variables(pid)
            if theirs.get(_JOB) == job and _stat(pid)[0] not in "ZX":
                found.append(int(theirs.get(_LOCAL, 0)))
        return found

    def first(self) -> bool:
        """Whether this rank is the first of its node's living ones, which speaks for all."""
        here = int(self._environment.get(_LOCAL, 0))
        return not self.launcher or here <= min(self._living(), default=here)

    def end(self, message: str) -> None:
        """Say why, and end the job."""
        sys.stderr.write(f"querist: {message} The job is ended.\n")
        sys.stderr.flush()
        if self.launcher:
            os.kill(self.launcher, signal.SIGTERM)
        else:
            os.kill(self.rank, signal.SIGKILL)


def watch(muster: Muster, over: float) -> str:
    """Look until the input ends.

    Args:
        muster: Where to look.
        over: When patience ends, in seconds of the monotonic clock.

    Returns:
        Why the job must end; "" if it need not.
    """
    looks = 0
    while looks < _SURE:
        if select.select([sys.stdin], [], [], _LOOK)[0]:
            return ""
        if time.monotonic() > over:
            return (
                f"not all ranks came to the campaign within {muster.patience:g} s. Each rank must "
                f"call it. If some need longer, set {PATIENCE} to more seconds, or let all ranks "
                "call querist.engines.mpi.attend() first. A script that imports mpi4py itself ends "
                "at once after an error with: python -m mpi4py SCRIPT."
            )
        looks = looks + 1 if muster.missing() > 0 else 0
    return (
        f"{muster.missing()} of the ranks on {os.uname().nodename} ended before the campaign "
        "began; what they said stands above."
    )


def main() -> None:
    """Watch for the process that started this one."""
    muster = Muster(os.getppid(), os.environ)
    message = watch(muster, time.monotonic() + muster.patience)
    if message and not muster.first():
        message = "" if select.select([sys.stdin], [], [], _OTHERS)[0] else message
    if message:
        with suppress(ProcessLookupError):
            muster.end(message)


def _stat(pid: int) -> tuple[str, str]:
    """State and parent of a process."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (fields[0], fields[1]) if fields else ("X", "")


def _name(pid: int) -> str:
    return _read(pid, "comm").strip()


def _variables(pid: int) -> dict[str, str]:
    pairs = [line.partition("=") for line in _read(pid, "environ").split("\0")]
    return {name: value for name, _, value in pairs}


def _read(pid: int, what: str) -> str:
    """A file of /proc; empty where the process is gone, or there is no /proc."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/{what}").read_text(encoding="utf-8", errors="replace")
    return ""


def _children(pid: int) -> list[int]:
    return [int(n) for n in os.listdir("/proc") if n.isdigit() and _stat(int(n))[1] == str(pid)]


if __name__ == "__main__":
    main()
