"""Run make targets one after the other, each within its budget, and say how long each took.

The targets are run as ``make TARGET``. The first that fails ends the run with its exit code. What
the last target prints comes last, so that the closing line of the tests is the closing line of
the whole run. Needs only the standard library: it runs before the environment exists.

Usage: ``python tools/stages.py setup lint types tests``
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

# Seconds. A stage without an entry has only the budget of the whole run. The default suite is to
# take ten minutes at most; a machine that does other things beside it gets two more.
BUDGETS = {"examples": 900.0, "slow": 1200.0, "tests": 720.0}
TOTAL_BUDGET = 2700.0


def run_stage(name: str, limit: float) -> int:
    """Run one target in its own process group and end the whole group at the limit.

    Args:
        name: The make target.
        limit: Seconds it may take.

    Returns:
        Its exit code, or 124 where the limit ended it.
    """
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", name]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            print(f"Stage {name!r} was stopped: over its budget of {limit:.0f} s.", flush=True)
            os.killpg(process.pid, signal.SIGKILL)
            return 124
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGINT)
            return process.wait()


def main(names: list[str]) -> int:
    """Run the stages in order.

    Args:
        names: Make targets.

    Returns:
        0, or the exit code of the first stage that failed.
    """
    began = time.monotonic()
    timings: list[str] = []
    for name in names:
        if name == names[-1] and timings:
            print("== so far:", ", ".join(timings), flush=True)
        print(f"== {name}", flush=True)
        start = time.monotonic()
        left = TOTAL_BUDGET - (start - began)
        code = run_stage(name, min(BUDGETS.get(name, left), left))
        timings.append(f"{name} {time.monotonic() - start:.0f} s")
        if code != 0:
            print(f"Stage {name!r} failed with exit code {code}; took:", ", ".join(timings))
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
