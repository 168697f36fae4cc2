"""Look densities up, and simulate only where the gate says so; goes on where it was stopped.

    python examples/nanoconfinement/lookups.py [--calls 400] [--folder runs/nanoconfinement]

Then: querist surrogate status FOLDER; querist effective FOLDER.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import problem
from slit import drawn

from querist import Surrogate

HERE = Path(__file__).resolve().parent
TOLERANCE = {"contact": 0.2, "peak": 0.2, "midplane": 0.1, "profile": 0.25}  # mol/l
MODEL = "network:network"
COVERAGE = 0.95
ROUND = 12
ANSWERED = ("answered_by_model", "answered_by_simulation", "failed", "refused")


def surrogate(folder: Path | None, workers: int = 2, **changed: float) -> Surrogate:
    """The gated surrogate of ``problem.simulate``."""
    engine = "inline" if workers < 2 else {"kind": "processes", "workers": workers}
    settings = {"tolerance": TOLERANCE, "coverage": COVERAGE, "learn": "background", "seed": 0}
    settings |= {"first": 100, "growth": 1.8, **changed}
    return Surrogate(problem.simulate, MODEL, folder=folder, engine=engine, **settings)


def main() -> None:
    """Call it with questions at random, in rounds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/nanoconfinement"))
    options = parser.parse_args()
    if problem.interpreter() is None:
        print(problem.LACKING)
    with surrogate(options.folder, options.workers) as made:
        begun = sum(int(made.status()[name]) for name in ANSWERED)
        for start in range(begun, options.calls, ROUND):
            answers = made.many(**drawn(ROUND, seed=start))
            told = {name: answers.share(name) for name in ("model", "simulation", "failed")}
            print(f"{start + ROUND:4} calls: {told}", flush=True)
            for message in set(answers.messages.values()):
                print("     ", message.splitlines()[-1][:150], flush=True)
        print(json.dumps(made.status(), default=str)[:600])


if __name__ == "__main__":
    main()
