"""Retrain intervals: times to an error that are foretold from two runs, and measured.

    python benchmarks/planning_interval.py [--quick] [--problem wave] [--seeds 3]

Real campaigns on ``processes`` of four oracle workers that sleep 0.2 s an answer, an explorer, and
a trainer. ``wave``: random features learn a smooth function; ``peak``: a Gaussian process learns a
narrow peak on it. Two runs (intervals of 10 and 80 labels) are the source. Other seeds of each
interval are run, and the first model counts whose error on 1,500 test samples is below the wanted
one (infinite if none is within 320 labels). A line ``interval-one`` each; ``interval``: ``ours``
is the measured time (median over seeds) of the recommended interval over the best measured one,
``limit`` 1.05; ``error`` the median and the worst relative error of the foretold times.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import planning_roles
from runs_alone import run_alone

SOURCES = (10, 80)
INTERVALS = (5, 10, 20, 40, 80)
WORKERS = 6
ERRORS = {"wave": 0.001, "peak": 0.004}


@dataclass(frozen=True)
class Case:
    """Campaigns of one kind.

    Attributes:
        problem: What is learned.
        labels: Budget.
        folder: Where they run.
    """

    problem: str
    labels: int
    folder: Path

    @property
    def error(self) -> float:
        """Wanted."""
        return ERRORS[self.problem]

    def told(self, every: int, seed: int) -> dict[str, Any]:
        """Settings of a campaign."""
        test_set = str(self.folder / "test.npz")
        return planning_roles.learning(self.problem, every, self.labels, seed, test_set)

    def campaign(self, every: int, seed: int) -> Path:
        """A real run, in processes of its own."""
        target = self.folder / f"{every}-{seed}"
        run_alone(__file__, self.problem, self.labels, self.folder, every, seed, target)
        return target

    def test_set(self) -> None:
        """Samples at random, and what is true of them."""
        x = np.random.default_rng(99).random((1500, 2))
        y = np.array([planning_roles.PROBLEMS[self.problem][0](row) for row in x])
        np.savez(self.folder / "test.npz", **{"input.x": x, "output.y": y})

    def foretold(self, seed: int) -> Any:
        """What the plan says of the intervals."""
        from querist.campaign.loading import parse_settings
        from querist.campaign.planned import Wanted, behaviour_of, planned
        from querist.campaign.retraining import interval_of, worth_of

        sources = [self.campaign(every, seed) for every in SOURCES]
        settings = parse_settings(self.told(SOURCES[0], seed), "benchmark")
        behaviour = behaviour_of(sources[0], settings)
        wanted = Wanted(WORKERS, error=self.error, every=INTERVALS)
        worths = [worth_of(run, settings) for run in sources]
        found = planned(settings, behaviour, wanted)
        return interval_of(settings, behaviour, worths, wanted, found)


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


def compared(case: Case, seeds: range) -> dict[str, object]:
    """The line ``interval``; the first of the seeds is that of the sources."""
    case.test_set()
    plan = case.foretold(seeds[0])
    if isinstance(plan, str):
        return {"ours": None, "said": plan}
    tried = [one for one in plan.tried if one.allocation.every]
    took = {one.allocation.every: measured(case, one, seeds[1:]) for one in tried}
    best, first = min(took.values()), tried[0].allocation.every
    off = [abs(one.typical / took[one.allocation.every] - 1) for one in tried]
    line = {"ours": round(took[first] / best, 3), "limit": 1.05, "every": first}
    line |= {"known": plan.known, "regret": round(plan.regret, 2), "wanted": case.error}
    line |= {"worst_over_best": round(max(took.values()) / best, 2)}
    line |= {"error": [round(float(np.median(off)), 3), round(max(off), 3)]}
    return {**line, "law": plan.law.said(), "load": round(os.getloadavg()[0], 1)}


def measured(case: Case, found: Any, seeds: range) -> float:
    """The median time of an interval, and its line."""
    every, (low, high) = found.allocation.every, found.between()
    times = [reached(case.campaign(every, seed), case.error) for seed in seeds]
    line = {"expected": found.typical, "low": low, "high": high, "measured": np.median(times)}
    line = {name: round(float(value), 1) for name, value in line.items()}
    line |= {"each": [round(one, 1) for one in times]}
    told = {"case": "interval-one", "problem": case.problem, "every": every, **line}
    print(json.dumps(told), flush=True)
    return float(np.median(times))


def one(problem: str, labels: str, folder: str, *numbers: str) -> None:
    """A campaign in this process."""
    from querist import Campaign

    every, seed, target = int(numbers[0]), int(numbers[1]), numbers[2]
    told = Case(problem, int(labels), Path(folder)).told(every, seed)
    Campaign(**told, engine="processes").run(target, progress=False)


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--problem", choices=[*ERRORS], default="wave")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=20, help="seed of the sources")
    parser.add_argument("--one", nargs=6, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(*given.one)
        return
    with tempfile.TemporaryDirectory() as scratch:
        seeds = range(given.first, given.first + 1 + (1 if given.quick else given.seeds))
        line = compared(Case(given.problem, 320, Path(scratch)), seeds)
        print(json.dumps({"case": "interval", "problem": given.problem, **line}), flush=True)


if __name__ == "__main__":
    main()
