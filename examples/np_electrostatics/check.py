"""Check: choosing runs by what they teach an hour needs less than a quarter of random's hours.

    python examples/np_electrostatics/check.py [--runs FILE.csv] [--splits 2]

Without the table of real runs it says where that comes from, and checks on an invented one that
choosing beats random at all; `benchmarks/effective.py` measures ten splits.
"""

from __future__ import annotations

import argparse

import numpy as np
import replay
import runs

STRATEGY = "learned-cost(margin)"
LIMITS = {True: 0.25, False: 0.75}  # real, invented


def main() -> None:
    """Replay both choices and compare what they paid."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--runs", help="the table of real runs, a CSV file")
    parser.add_argument("--splits", type=int, default=2)
    options = parser.parse_args()
    path = runs.find(options.runs)
    if path is None:
        print(runs.LACKING + "\nAn invented table takes its place: its numbers mean nothing.\n")
    table = runs.load(path) if path else runs.made_up()
    ratios = []
    for number in range(options.splits):
        ours, random = (replay.replay(table, number, name) for name in (STRATEGY, "random"))
        ratios.append(ours.reached.hours / random.reached.hours)
        print(
            f"split {number}: average precision {ours.reached.precision:.3f} "
            f"(whole pool {ours.full.precision:.3f}) after {ours.reached.hours:.0f} h, "
            f"by random choice after {random.reached.hours:.0f} h; "
            f"recall {ours.reached.recall:.2f} and {random.reached.recall:.2f}"
        )
    ratio, limit = float(np.mean(ratios)), LIMITS[path is not None]
    print(f"share of random choice's hours: {ratio:.3f}, wanted below {limit}")
    if ratio >= limit:
        raise SystemExit("check failed: choosing does not save enough.")
    print("check: ok")


if __name__ == "__main__":
    main()
