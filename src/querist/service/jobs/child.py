"""The process of one job: ``python -m querist.service.jobs.child FOLDER DESCRIPTOR``.

FOLDER holds ``job.json``, what the job was told; messages go to DESCRIPTOR as lines of JSON. The
process dies with the server that started it; what was finished is in the run's own folder, and the
next process goes on from there. SIGTERM asks it to stop there, SIGUSR1 to cancel.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querist.core.errors import QueristError
from querist.engines.lifeline import die_with_parent
from querist.service.jobs.kinds import KINDS
from querist.service.jobs.line import FAILED, LOCKED, SUSPENDED, Line, Wish


def confine(told: Mapping[str, Any]) -> None:
    """No core dumps, at most so much memory, and the server's own threads come first."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    if told.get("memory_mb"):
        most = int(told["memory_mb"]) << 20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(folder: Path, descriptor: int, parent: int) -> int:
    """Do the job; the exit status says what came of it."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        return SUSPENDED
    wish, line = Wish(), Line(descriptor)
    told = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    confine(told)
    try:
        return KINDS[told["kind"]](told, line, wish)
    except QueristError as error:
        traceback.print_exc()
        if type(error).__name__ == "RunLocked":  # an earlier process of this job is still ending
            return LOCKED
        line.end({}, str(error))
        return FAILED
    except MemoryError:
        traceback.print_exc()
        line.end({}, "The job needed more memory than the server allows.")
        return FAILED


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
