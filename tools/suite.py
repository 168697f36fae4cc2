"""Run pytest; tests that failed run once more, alone, and the suite passes only if all then do.

Thousands of the tests start real processes, servers and ranks, three at a time on two cores. A test
that fails there and passes alone is named as unsteady: that is a fault of the test or of the code,
to be looked at, but not of the change that was being tried. A suite with more than a few
failures is not tried again, nor is one that could not be collected or was interrupted.

Usage: ``python tools/suite.py [PYTEST ARGUMENTS]``
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST = 5
"""Failures that are tried again."""

ALONE = ["-p", "no:xdist"]
_FAILED = 1  # pytest: tests were run, and some failed


def last_failed(root: Path) -> list[str]:
    """The tests that the last run noted as failed.

    Args:
        root: Folder with pytest's cache.

    Returns:
        Their names, sorted; none where there is no cache.
    """
    try:
        text = (root / ".pytest_cache/v/cache/lastfailed").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return sorted(json.loads(text))


def pytest(arguments: list[str]) -> int:
    """Run pytest with these arguments; its exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT).returncode


def main(arguments: list[str]) -> int:
    """Run the suite, and its failures once more.

    Args:
        arguments: For pytest.

    Returns:
        0, or pytest's exit code.
    """
    (ROOT / ".pytest_cache/v/cache/lastfailed").unlink(missing_ok=True)
    code = pytest(arguments)
    failed = last_failed(ROOT)
    if code != _FAILED or not 0 < len(failed) <= MOST:
        return code
    print(f"== {len(failed)} failed; once more, alone. Those that pass now are unsteady:")
    print(*failed, sep="\n", flush=True)
    return pytest([*ALONE, *failed])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
