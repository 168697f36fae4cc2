"""Run every example and the check of its result.

An example is a folder of ``examples/`` with a ``demo.py`` (runs the case, then its check) or, where
there is none, a ``check.py`` (runs the case and asserts its result). It runs in a new working
folder under ``build/examples/``, without a display, and fails by a non-zero exit code. Those of
``OVER_MPI`` run once more as a job of so many MPI ranks, with a quick check; those of
``LAST_PYTHON`` are left out on later versions of Python, which it says.

Usage: ``python tools/examples.py [NAME ...]``
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENTRIES = ("demo.py", "check.py")
OVER_MPI = {"proton_transfer": 8}
LAST_PYTHON = {"drug_candidates": (3, 12), "adaptive_sampling": (3, 13)}
"""The last version of Python for which what an example needs (vina, deeptime) has wheels."""


def entries(names: list[str]) -> list[Path]:
    """Find the script that runs each example.

    Args:
        names: Folders of ``examples/``; empty means all.

    Returns:
        One script for each example, sorted.

    Raises:
        SystemExit: If a folder has neither script, or does not exist.
    """
    folders = [ROOT / "examples" / name for name in names] or sorted(
        folder for folder in (ROOT / "examples").glob("[!_.]*") if folder.is_dir()
    )
    found = []
    for folder in folders:
        scripts = [folder / entry for entry in ENTRIES if (folder / entry).is_file()]
        if not scripts:
            raise SystemExit(
                f"{folder} has no {' or '.join(ENTRIES)}: an example asserts its result."
            )
        found.append(scripts[0])
    return found


def commands(script: Path) -> dict[str, list[str]]:
    """How to run an example, by the name of the working folder."""
    name, plain = script.parent.name, [sys.executable, str(script)]
    if name not in OVER_MPI:
        return {name: plain}
    beside = Path(sys.executable).with_name("mpiexec")
    launcher = [str(beside) if beside.exists() else "mpiexec", "--allow-run-as-root"]
    ranks = ["--oversubscribe", "-n", str(OVER_MPI[name])]
    over_mpi = [*launcher, *ranks, *plain, "--engine", "mpi", "--quick"]
    return {name: plain, f"{name}-mpi": over_mpi}


def run(name: str, command: list[str]) -> int:
    """Run one command in a new folder.

    Args:
        name: Of the folder.
        command: With its arguments.

    Returns:
        Its exit code.
    """
    folder = ROOT / "build" / "examples" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {**os.environ, "MPLBACKEND": "Agg", "BROWSER": "true"}
    return subprocess.run(command, cwd=folder, env=environment).returncode


def main(names: list[str]) -> int:
    """Run the examples, all of them even where one fails; one that fails is tried once more.

    Args:
        names: Folders of ``examples/``; empty means all.

    Returns:
        The number of examples that failed.
    """
    failed = []
    for script in entries(names):
        last = LAST_PYTHON.get(script.parent.name, sys.version_info[:2])
        if sys.version_info[:2] > last:
            print(f"-- {script.parent.name}: left out, it needs Python {last[0]}.{last[1]} at most")
            continue
        for name, command in commands(script).items():
            label = f"{script.relative_to(ROOT)} ({name})"
            print(f"-- {label}", flush=True)
            start = time.monotonic()
            code = run(name, command)
            if code != 0:
                print(
                    f"-- {label}: exit code {code}; once more, to see if it is unsteady", flush=True
                )
                code = run(name, command)
            print(f"-- {label}: exit code {code}, {time.monotonic() - start:.0f} s", flush=True)
            if code != 0:
                failed.append(label)
    if failed:
        print("Failed:", ", ".join(failed))
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
