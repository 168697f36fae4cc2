"""What runs in a queue's job: one command, started once, its end written down.

Run as a program with the path of ``job-N.json``, which says what to run. Before the command starts,
``job-N.started.json`` is made, which can be done once only: a job that was submitted twice, because
nobody knew of the first time, runs once. When the command and all that it started have ended,
``job-N.ended.json`` says how; whoever asked may be dead and come back later.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "COBALT_JOBID")


def write_json(path: Path, held: Mapping[str, Any]) -> None:
    """Write a file durably, and at once or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(held, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """What a file holds; empty when there is none, or nothing in it yet."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    held: dict[str, Any] = json.loads(text) if text else {}
    return held


def birth(pid: int) -> str:
    """When a process of this host was born, in the kernel's ticks; "" when it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    words = stat.rpartition(b")")[2].split()
    return "" if words[0] in (b"Z", b"X") else words[19].decode()


def claim(path: Path) -> bool:
    """Say that the command starts now; whether nobody had said so before."""
    native = next((os.environ[name] for name in IDS if name in os.environ), "")
    held = {"pid": os.getpid(), "birth": birth(os.getpid()), "host": platform.node()}
    whole = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    write_json(whole, {**held, "native": native, "time": time.time()})
    try:
        _name_new(whole, path)
    except FileExistsError:
        return False
    finally:
        whole.unlink(missing_ok=True)
    return True


def _name_new(whole: Path, path: Path) -> None:
    try:
        os.link(whole, path)  # unlike a rename it fails where the name is taken
    except FileExistsError:
        raise
    except OSError:  # a file system without links: whoever makes the empty file has the name
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        whole.replace(path)


def main(spec: Path) -> None:
    """Run what a file describes, unless it was run before."""
    from querist.oracles.guarded import run_guarded

    with suppress(OSError):
        os.setsid()  # what submitted this may end, with all of its session
    if not claim(spec.with_suffix(".started.json")):
        return
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: stopped.append(number))
    command = composed(read_json(spec))
    ended = run_guarded(command, lambda: bool(stopped))
    write_json(spec.with_suffix(".ended.json"), asdict(ended))


def composed(held: Mapping[str, Any]) -> Any:
    """The command of a specification, under the launcher that is found here."""
    from querist.core.tasks import Resources
    from querist.oracles.guarded import Command
    from querist.oracles.launchers import Launch, find_launcher, prefix, program_environment

    folder, resources = Path(held["folder"]), Resources(**held["resources"])
    found = find_launcher(held["launcher"])
    launch = Launch(resources, None, folder, held["pin"], given=found)
    return Command(
        [*prefix(found, launch), *held["launcher_options"], *held["argv"]],
        folder,
        {**program_environment(os.environ), **held["environment"]},
        held["timeout"],
        held["memory_mb"],
        grace=held["grace"],
    )


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    main(Path(sys.argv[1]))
