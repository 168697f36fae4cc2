"""Simulated time, and plans checked against real campaigns: one JSON line a case.

    python benchmarks/planning.py [--quick] [--case simulated-10k]

- ``simulated-10k``: a campaign with 10,000 oracle workers and 1,000,000 label tasks, with failures
  and lost workers, by the controller that also runs real campaigns. ``ours`` is seconds (wall),
  ``cpu`` those of this process, ``limit`` what it may take.
"""

from __future__ import annotations

import argparse
import json
import time

from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.stop import Labels
from querist.engines.durations import Constant, LogNormal
from querist.engines.simulated import Losses
from querist.planning.behaviour import Behaviour, Fits
from querist.planning.virtual import Virtual

SECONDS = 60.0


def simulated(workers: int, tasks: int) -> dict[str, object]:
    """1 % failures, workers that live a day on average, answers of a minute (the median)."""
    plan = Plan(
        oracles=(OraclePlan("f", timeout=3600.0),),
        policy=StandardPolicy(EveryLabels(tasks // 10), Labels(tasks)),
        explorers=4,
        initial=workers,
        max_queue=2 * workers,
        labels=tasks,
    )
    behaviour = Behaviour(
        {"f": LogNormal(60.0, 0.5)},
        failures={"f": 0.01},
        slices=Constant(5.0),
        found=Constant(workers / 50),
        fits=Fits(60.0, 1e-4),
        between=10.0 / workers,
        sync=0.05,  # as on a parallel file system
        losses=Losses(86_400.0, 10.0),
    )
    counts = {"oracle.f": workers, "trainer": 1} | {f"explorer.{i}": 1 for i in range(4)}
    virtual = Virtual(plan, counts, behaviour, seed=1)
    wall, cpu = time.perf_counter(), time.process_time()
    ended = virtual.run()
    state = ended.controller.state
    return {
        "ours": round(time.perf_counter() - wall, 2),
        "cpu": round(time.process_time() - cpu, 2),
        "limit": SECONDS,
        "unit": "s",
        "workers": workers,
        "tasks": ended.tasks,
        "labels": state.ledger.labels,
        "quarantined": state.quarantined,
        "versions": state.model.version,
        "virtual_hours": round(ended.seconds / 3600, 2),
        "microseconds_a_task": round((time.process_time() - cpu) / ended.tasks * 1e6, 1),
    }


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer tasks")
    parser.add_argument("--case", choices=["simulated-10k"], help="only this one")
    given = parser.parse_args()
    tasks = 50_000 if given.quick else 1_000_000
    print(json.dumps({"case": "simulated-10k", **simulated(10_000, tasks)}), flush=True)


if __name__ == "__main__":
    main()
