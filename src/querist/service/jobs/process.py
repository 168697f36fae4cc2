"""The process of one running job, seen from the server."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from querist.store.files import atomic_write

# What a job needs of the environment; secrets of the server do not travel.
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "PYTHONWARNINGS",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "HF_HOME",
    "TORCH_HOME",
)
_CREDENTIALS = ("AWS_", "GOOGLE_", "AZURE_", "HF_TOKEN")
_LONGEST_LINE = 4 << 20


def environment(credentials: bool) -> dict[str, str]:
    """The environment of a job's process."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if credentials:
        kept |= {k: v for k, v in os.environ.items() if k.startswith(_CREDENTIALS)}
    return kept


class JobProcess:
    """Started at once; to be polled by the thread that made it, with which it dies.

    Args:
        folder: Of the job; gets ``job.json`` and ``log``.
        told: What the job is told.
        credentials: Whether the server's own credentials for sources go with it.
    """

    def __init__(self, folder: Path, told: Mapping[str, Any], credentials: bool) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(folder / "job.json", json.dumps(told).encode())
        self.began = time.monotonic()
        self.progress: dict[str, Any] = {}
        self.result: dict[str, Any] = {}
        self.error = ""
        self._kill_at: float | None = None
        self._rest = b""
        self._pipe, writing = os.pipe()
        os.set_blocking(self._pipe, False)
        command = [sys.executable, "-m", "querist.service.jobs.child"]
        try:
            with (folder / "log").open("wb") as log:
                self._process = subprocess.Popen(
                    [*command, str(folder), str(writing), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(writing,),
                    start_new_session=True,
                    cwd=folder,
                    env=environment(credentials),
                )
        finally:
            os.close(writing)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self.began

    def poll(self) -> int | None:
        """Read what it said; its exit status when it has ended."""
        status = self._process.poll()
        self._read()
        if status is None and self._kill_at is not None and time.monotonic() >= self._kill_at:
            self.kill()
        return status

    def ask(self, signum: int, patience: float) -> None:
        """Send a signal once; after ``patience`` seconds the process is killed."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + patience
            with suppress(ProcessLookupError):
                self._process.send_signal(signum)

    @property
    def asked(self) -> bool:
        """Whether it was asked to end."""
        return self._kill_at is not None

    def kill(self) -> None:
        """End it now, with all in its session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait for its end, and give its pipe back."""
        self._process.wait()
        self._read()
        os.close(self._pipe)

    def _read(self) -> None:
        while select.select([self._pipe], [], [], 0)[0]:
            try:
                data = os.read(self._pipe, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > _LONGEST_LINE:
                self._rest = b""
            for line in lines:
                with suppress(ValueError):  # a line that a killed process did not finish
                    self._heard(json.loads(line))

    def _heard(self, said: Any) -> None:
        if "progress" in said:
            self.progress = said["progress"]
        if "result" in said:
            self.result, self.error = said["result"], str(said.get("error", ""))[:4000]
