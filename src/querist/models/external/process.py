"""A script of the user's in a process of its own, spoken to over pipes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from querist.core.batch import Array
from querist.core.errors import RunError

from .side.querist_side import pack, unpack

SIDE = Path(__file__).resolve().parent / "side"
_POLL = 0.2  # seconds between looks at whether to stop
_TAIL = 2000  # characters of what it wrote to its error stream


class Script:
    """The script's process; started when it is first asked, and again after it died.

    Args:
        command: Interpreter and script.
        timeout: Seconds for one answer; None waits as long as it takes.
    """

    def __init__(self, command: list[str], timeout: float | None) -> None:
        self._command, self._timeout = command, timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: BinaryIO | None = None

    @property
    def runs(self) -> bool:
        """Whether the process that was asked last is still there."""
        return self._process is not None and self._process.poll() is None

    def ask(
        self,
        head: Mapping[str, Any],
        arrays: Mapping[str, Array],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Send a message, wait for the answer.

        Raises:
            RunError: If the script cannot be started, raises, dies, takes too long, or is stopped.
        """
        if not self.runs:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(pack(head, arrays))
            process.stdin.flush()
            said, found = unpack(self._answer(should_stop))
        except (BrokenPipeError, EOFError):
            raise RunError(self._ended()) from None
        except BaseException:
            self.close()
            raise
        if "error" in said:
            last = said["error"].strip().splitlines()[-1]
            raise RunError(f"{self._name} could not {head['do']}: {last}\n{said['error']}")
        return said, found

    @property
    def _name(self) -> str:
        return f"the model's script {self._command[-1]}"

    def _start(self) -> None:
        self.close()
        path = os.pathsep.join(filter(None, [str(SIDE), os.environ.get("PYTHONPATH", "")]))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError as error:
            why = error.strerror or str(error)
            raise RunError(f"{self._name} cannot be run by {self._command[0]}: {why}.") from error

    def _answer(self, should_stop: Callable[[], bool]) -> bytes:
        begun = time.monotonic()
        size = int.from_bytes(self._read(8, begun, should_stop), "little")
        return self._read(size, begun, should_stop)

    def _read(self, size: int, begun: float, should_stop: Callable[[], bool]) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        stream, parts, left = self._process.stdout.fileno(), [], size
        while left:
            if not select.select([stream], [], [], _POLL)[0]:
                if should_stop():
                    raise RunError("the fit was stopped; nothing was kept.")
                if self._timeout is not None and time.monotonic() - begun > self._timeout:
                    raise RunError(f"{self._name} gave no answer in {self._timeout:g} s.")
                continue
            part = os.read(stream, min(left, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _ended(self) -> str:
        assert self._process is not None
        assert self._errors is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()[-_TAIL:]
        status = self._process.poll()
        self.close()
        return f"{self._name} ended with status {status}." + (f" It said:\n{said}" if said else "")

    def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
