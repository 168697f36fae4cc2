"""Memory of every strategy on a pool of middle size, beside the data.

    python benchmarks/selection_memory.py [--quick] [--strategy NAME ...]

20,000 rows of 64 features, 10 classes, 10 members and 100 labelled rows, float64; 200 picks, of
those that take long fewer. One JSON object a line: ``extra_mb`` is the peak of the resident memory
above the beginning, ``data_mb`` that of the data. A matrix of the pool by itself would be 3,200 MB,
of the budget by the pool 32 MB, of the pool by classes times features 102 MB. Every strategy runs
in a process of its own, one thread. ``--quick`` takes a tenth of the rows and of the budget.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

import selection_measure

from querist.strategies import registry
from querist.testing.strategy_data import Size, data_for

FEWER = {"batchbald": 3, "qlogei": 3, "bait": 50}


def measured(name: str, quick: bool) -> dict[str, Any]:
    """One strategy, in this process."""
    share = 10 if quick else 1
    strategy, budget = registry.get(name), max(1, FEWER.get(name, 200) // share)
    sizes = {"classes": 10, "members": 10, "features": 64, "labelled": 100}
    data = data_for(strategy, 0, Size(items=20_000 // share, **sizes))
    strategy(1, rng=0, **data_for(strategy, 1, Size(items=300, **sizes)))  # imports do not count
    held = sum(getattr(value, "nbytes", 0) for value in data.values()) / 1e6
    _, found = selection_measure.measure(lambda: strategy(budget, rng=0, **data))
    return {"case": "memory", "strategy": name, "picks": budget, "data_mb": round(held, 1), **found}


def alone(name: str, quick: bool) -> str:
    """One strategy in a process of its own; its line."""
    flags = ["--quick"] if quick else []
    done = subprocess.run(
        [sys.executable, __file__, "--strategy", name, "--here", *flags],
        capture_output=True,
        text=True,
        check=False,
        env=selection_measure.alone(),
    )
    told = (done.stdout or done.stderr).strip().splitlines()
    return told[-1] if told else ""


def main() -> None:
    """Run the chosen strategies, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--strategy", action="append")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    for name in chosen.strategy or registry.names():
        if chosen.here:
            print(json.dumps(measured(name, chosen.quick)))
        else:
            print(alone(name, chosen.quick), flush=True)


if __name__ == "__main__":
    main()
