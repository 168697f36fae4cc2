"""Simulated time, and plans checked against real campaigns: one JSON line a case.

    python benchmarks/planning.py [--quick] [--case simulated-10k|verified|...] [--engine mpi]

- ``simulated-10k``: a campaign with 10,000 oracle workers and 1,000,000 label tasks, with failures
  and lost workers, by the controller that also runs real campaigns. ``ours`` is seconds (wall),
  ``cpu`` those of this process, ``limit`` what it may take.
- ``forecast``: real campaigns of 7 workers with oracles that sleep, of several distributions, on
  ``processes`` and ``mpi``. One run of 5 workers is measured for each distribution, from which the
  campaign time of three other allocations is forecast, which then are run. ``ours`` is the worst
  relative error, ``limit`` 0.1. A line ``forecast-one`` for each.
- ``choice``: ``ours`` is the measured time of the allocation that the plan recommends over the
  best of those that were measured, the worst of all distributions; ``limit`` 1.05.
- ``online``: a real campaign of 9 workers whose questions are scarce at first, and whose answers
  take forty times as long later. ``ours`` is its campaign time with counts ``auto``, which are
  planned while it runs, ``peer`` that with the same counts at the start and fixed.
- ``interval``, ``placement``: those of ``planning_interval.py`` and ``planning_placement.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import planning_roles
from runs_alone import run_alone

from querist.control.plan import OraclePlan, Plan
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels
from querist.control.stop import Labels
from querist.engines.durations import Constant, LogNormal
from querist.engines.simulated import Losses
from querist.planning.behaviour import Behaviour, Fits
from querist.planning.virtual import Virtual

SECONDS = 60.0
BESIDE = ("interval", "placement")  # in scripts of their own


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


SOURCE = (1, 3, 1)
ALLOCATIONS = ((1, 5, 1), (2, 4, 1), (1, 4, 2))
SEEDS = 3


def one(engine: str, numbers: list[str], kind: str, folder: str) -> None:
    """A real campaign; collective on MPI."""
    from querist import Campaign

    campaign = Campaign(**planning_roles.settings(kind, *map(int, numbers)), engine=engine)
    campaign.run(folder, progress=False)


def measured_seconds(
    engine: str, kind: str, shape: tuple[int, ...], labels: int, to: Path
) -> float:
    """Campaign time of a real run, in processes of its own."""
    from querist.campaign.campaign import summary_of

    ranks = sum(shape) + 1 if engine == "mpi" else 0
    run_alone(__file__, engine, *shape, labels, kind, to, ranks=ranks)
    return float(summary_of(to)["run"]["campaign_seconds"])


def verify(engine: str, kind: str, labels: int, folder: Path) -> tuple[float, float]:
    """Worst error of the forecasts, and the recommended allocation's time over the best one."""
    from querist.campaign.loading import parse_settings
    from querist.campaign.planned import Wanted, behaviour_of, forecast_of, planned
    from querist.planning.forecast import Allocation

    named = planning_roles.settings(kind, *SOURCE, labels)
    settings = parse_settings(named, "benchmark")
    measured_seconds(engine, kind, SOURCE, labels, folder / "source")
    behaviour = behaviour_of(folder / "source", settings)
    best = planned(settings, behaviour, Wanted(sum(ALLOCATIONS[0])))[0].allocation
    chosen = (best.explorers, dict(best.oracles)["f"], best.trainers)
    errors, took = [], {}
    for shape in dict.fromkeys([*ALLOCATIONS, chosen]):
        at = Allocation(shape[0], (("f", shape[1]),), shape[2])
        told = [forecast_of(settings, at, behaviour, seed).seconds for seed in range(SEEDS)]
        expected = sum(told) / SEEDS
        took[shape] = measured_seconds(
            engine, kind, shape, labels, folder / "-".join(map(str, shape))
        )
        errors.append(abs(expected / took[shape] - 1))
        line = {"engine": engine, "kind": kind, "allocation": shape, "error": round(errors[-1], 4)}
        line |= {"expected": round(expected, 2), "measured": round(took[shape], 2)}
        print(json.dumps({"case": "forecast-one", **line}), flush=True)
    return max(errors), took[chosen] / min(took.values())


def verified(engines: list[str], labels: int) -> None:
    """All distributions on all engines."""
    for engine in engines:
        found = []
        for kind in planning_roles.KINDS:
            with tempfile.TemporaryDirectory() as scratch:
                found.append(verify(engine, kind, labels, Path(scratch)))
        worst = [round(max(values), 4) for values in zip(*found, strict=True)]
        for case, ours, limit in (("forecast", worst[0], 0.1), ("choice", worst[1], 1.05)):
            line = {"case": case, "engine": engine, "ours": ours, "limit": limit}
            print(json.dumps({**line, "allocations": 3 * len(found)}), flush=True)


def online(labels: int, workers: tuple[int, int] | None, folder: Path) -> tuple[float, int]:
    """Campaign time, and how many workers changed their role; None for ``auto``."""
    from querist import Campaign
    from querist.campaign import ranks
    from querist.campaign.campaign import summary_of

    ranks.usable_cores = lambda: 9  # its workers sleep, and need no cores
    told = planning_roles.online(str(folder / "answers"), labels, workers)
    Campaign(**told, engine="processes").run(folder / "run", progress=False)
    summary = summary_of(folder / "run")
    return float(summary["run"]["campaign_seconds"]), int(summary["workers"]["moved"]["total"])


def compared(labels: int) -> dict[str, object]:
    """The case ``online``."""
    found = []
    for workers in (None, (2, 6)):
        with tempfile.TemporaryDirectory() as scratch:
            found.append(online(labels, workers, Path(scratch)))
    (ours, moved), (peer, _) = found
    line = {"ours": round(ours, 1), "peer": round(peer, 1), "unit": "s", "moved": moved}
    return {**line, "ratio": round(ours / peer, 3), "labels": labels}


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer tasks and labels")
    parser.add_argument(
        "--case", choices=["simulated-10k", "verified", "online", *BESIDE], help="only this one"
    )
    parser.add_argument("--engine", choices=["processes", "mpi"], help="only this one")
    parser.add_argument("--one", nargs=7, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        engine, *numbers, kind, folder = given.one
        one(engine, numbers, kind, folder)
        return
    if given.case in (None, "simulated-10k"):
        tasks = 50_000 if given.quick else 1_000_000
        print(json.dumps({"case": "simulated-10k", **simulated(10_000, tasks)}), flush=True)
    if given.case in (None, "online"):
        print(json.dumps({"case": "online", **compared(480 if given.quick else 1600)}), flush=True)
    for name in BESIDE:
        if given.case in (None, name):
            script = Path(__file__).with_name(f"planning_{name}.py")
            quick = ["--quick"] * given.quick
            subprocess.run([sys.executable, str(script), *quick], check=True)
    if given.case in (None, "verified"):
        beside = Path(sys.executable).with_name("mpiexec")
        os.environ["PATH"] = f"{beside.parent}{os.pathsep}{os.environ['PATH']}"
        engines = ["processes", *(["mpi"] if shutil.which("mpiexec") else [])]
        verified([given.engine] if given.engine else engines, 100 if given.quick else 300)


if __name__ == "__main__":
    main()
