"""Retrain intervals: times to an error that are foretold from two runs, and measured.

    python benchmarks/planning_interval.py [--quick] [--error 0.004] [--seeds 3]

Real campaigns on ``processes`` of four oracle workers that sleep 0.2 s an answer, an explorer, and
a trainer of a Gaussian process on a wave with a narrow peak. Two runs (intervals of 10 and 80) are
the source. Other seeds of each interval are run for as long as it takes, and the first model
whose error on 1,500 test samples is below the wanted one counts. A line ``interval-one`` for each;
``interval``: ``ours`` is the measured time (mean over seeds) of the recommended interval over the
best measured one, ``limit`` 1.05; ``error`` the worst relative error of the foretold medians.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import planning_roles

SOURCES = (10, 80)
INTERVALS = (5, 10, 20, 40, 80, 160)
WORKERS = 6


def campaign(every: int, labels: int, seed: int, folder: Path) -> Path:
    """A real run, in processes of its own."""
    target = folder / f"{every}-{seed}"
    told = [str(every), str(labels), str(seed), str(folder / "test.npz"), str(target)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    here = f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, **threads, "PYTHONPATH": here}
    command = [sys.executable, __file__, "--one", *told]
    subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL)
    return target


def one(every: str, labels: str, seed: str, test_set: str, folder: str) -> None:
    """A campaign in this process."""
    from querist import Campaign

    told = planning_roles.learning(int(every), int(labels), int(seed), test_set)
    Campaign(**told, engine="processes").run(folder, progress=False)


def test_set(folder: Path) -> None:
    """Samples at random, and what is true of them."""
    x = np.random.default_rng(99).random((1500, 2))
    y = np.array([planning_roles.bumps(row) for row in x])
    np.savez(folder / "test.npz", **{"input.x": x, "output.y": y})


def reached(run: Path, error: float) -> float:
    """Seconds until the first model below the error was there; infinite where none was."""
    from querist.store.run_folder import RunFolder

    published: dict[int, float] = {}
    for fact in RunFolder(run).journal_reader().read_new():
        if fact.kind == "model.published":
            published[fact.data["version"]] = fact.data["t"]
        elif fact.kind == "model.evaluated" and fact.data["metrics"]["y.mae"] <= error:
            return published[fact.data["version"]]
    return float("inf")


def foretold(error: float, labels: int, folder: Path) -> Any:
    """What the plan says of the intervals."""
    from querist.campaign.loading import parse_settings
    from querist.campaign.planned import Wanted, behaviour_of, planned
    from querist.campaign.retraining import interval_of, worth_of

    sources = [campaign(every, labels, 0, folder) for every in SOURCES]
    told = planning_roles.learning(SOURCES[0], labels, 0, str(folder / "test.npz"))
    settings = parse_settings(told, "benchmark")
    behaviour = behaviour_of(sources[0], settings)
    wanted = Wanted(WORKERS, error=error, every=INTERVALS)
    worths = [worth_of(run, settings) for run in sources]
    return interval_of(settings, behaviour, worths, wanted, planned(settings, behaviour, wanted))


def compared(error: float, labels: int, seeds: int, folder: Path) -> dict[str, object]:
    """The line ``interval``."""
    test_set(folder)
    plan = foretold(error, labels, folder)
    took: dict[int, float] = {}
    errors = []
    for found in [one for one in plan.tried if one.allocation.every]:
        every = found.allocation.every
        runs = [campaign(every, labels, seed, folder) for seed in range(1, seeds + 1)]
        times = [reached(run, error) for run in runs]
        took[every] = float(np.mean(times))
        errors.append(abs(found.typical / took[every] - 1))
        low, high = found.between()
        line = {"every": every, "expected": found.typical, "low": low, "high": high}
        line |= {"measured": took[every], "each": [round(t, 1) for t in times]}
        told = {k: round(v, 1) if isinstance(v, float) else v for k, v in line.items()}
        print(json.dumps({"case": "interval-one", **told}), flush=True)
    first = next(one.allocation.every for one in plan.tried if one.allocation.every)
    line = {"ours": round(took[first] / min(took.values()), 3), "limit": 1.05, "every": first}
    line |= {"known": plan.known, "regret": round(plan.regret, 2)}
    worst = round(took[max(took, key=lambda k: took[k])] / min(took.values()), 2)
    line |= {"worst_over_best": worst, "error": round(max(errors), 3), "wanted": error}
    return {**line, "law": plan.law.said(), "load": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--error", type=float, default=0.004)
    parser.add_argument("--labels", type=int, default=320)
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(*given.one)
        return
    with tempfile.TemporaryDirectory() as scratch:
        seeds = 1 if given.quick else given.seeds
        line = compared(given.error, given.labels, seeds, Path(scratch))
        print(json.dumps({"case": "interval", **line}), flush=True)


if __name__ == "__main__":
    main()
