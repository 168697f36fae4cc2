"""A server in a process of its own, so that measuring a client measures the client only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import querist.testing


class Separate(NamedTuple):
    """A server that runs.

    Attributes:
        url: Of its top folder, with a slash at the end.
        options: For ``Sources``: by scheme, what its source needs.
        process: Its process id.
    """

    url: str
    options: dict[str, dict[str, Any]]
    process: int


@contextmanager
def separate(
    kind: Literal["http", "s3", "ftp"], folder: Path, latency: float = 0.0, rate: float = 0.0
) -> Iterator[Separate]:
    """Run a server of a folder's files until the block ends.

    Args:
        kind: Which.
        folder: What it serves.
        latency: Seconds a round trip.
        rate: Bytes a second from the server, all connections together; 0 for any number.
    """
    command = [sys.executable, "-m", "querist.testing.servers", kind, str(folder)]
    command += ["--latency", str(latency), "--rate", str(rate)]
    source = str(Path(querist.testing.__path__[0]).parents[1])
    path = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"The {kind} server did not start; see what it printed above.")
        try:
            yield Separate(**json.loads(line), process=process.pid)
        finally:
            process.stdin.close()
            process.wait(timeout=30)
