"""Run every example and the check of its result.

An example is a folder of ``examples/`` with a ``demo.py`` (runs the case, then its check) or, where
there is none, a ``check.py`` (runs the case and asserts its result). It runs in a new working
folder under ``build/examples/``, without a display, and fails by a non-zero exit code.

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


def run(script: Path) -> int:
    """Run one example in a new folder.

    Args:
        script: Its ``demo.py`` or ``check.py``.

    Returns:
        Its exit code.
    """
    folder = ROOT / "build" / "examples" / script.parent.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {**os.environ, "MPLBACKEND": "Agg", "BROWSER": "true"}
    return subprocess.run([sys.executable, script], cwd=folder, env=environment).returncode


def main(names: list[str]) -> int:
    """Run the examples, all of them even where one fails.

    Args:
        names: Folders of ``examples/``; empty means all.

    Returns:
        The number of examples that failed.
    """
    failed = []
    for script in entries(names):
        label = script.relative_to(ROOT)
        print(f"-- {label}", flush=True)
        start = time.monotonic()
        code = run(script)
        print(f"-- {label}: exit code {code}, {time.monotonic() - start:.0f} s", flush=True)
        if code != 0:
            failed.append(str(label))
    if failed:
        print("Failed:", ", ".join(failed))
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
