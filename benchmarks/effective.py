"""What learning saves in a campaign of real simulations: one JSON line a case.

    python benchmarks/effective.py --runs FILE.csv [--quick] [--processes 2]

``np-electrostatics``: simulated hours that a choice of runs needs until the model is as good as
95 % of what the whole pool can teach it (average precision on 30 % of the rows that nobody learns
from; held for three rounds in a row). ``ours`` is ``learned-cost(margin)``, ``peer`` random choice,
both with the same model (random forest), the same 30 first runs and the same 10 fixed splits; means
over the splits with their standard deviations. ``ratio`` is the mean of the paired ratios. Beside
them other strategies, the recall of good settings, and the model's own gain: the forest against the
published kind of network, both learning from the whole pool.

``--quick`` takes 2 splits and no other strategies. Without ``--runs`` (or QUERIST_NP_RUNS) it says
where the table comes from and does the same on an invented one, whose numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "np_electrostatics"))

import replay
import runs

OURS, PEER = "learned-cost(margin)", "random"
OTHERS = ("margin", "entropy", "learned-cost(entropy)")
SPLITS = 10


def spread(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation."""
    return {"mean": round(float(np.mean(values)), 3), "sd": round(float(np.std(values, ddof=1)), 3)}


def one(job: tuple[runs.Runs, int, str]) -> replay.Replay:
    """One arm on one split."""
    return replay.replay(*job)


def networks(table: runs.Runs, splits: range) -> list[float]:
    """Average precision of the published kind of model, learned from the whole pool, by split."""
    found = []
    for number in splits:
        test, pool = replay.split(table, number)
        found.append(replay.judged(table, test, pool, replay.network(number))[0].precision)
    return found


def measured(table: runs.Runs, splits: range, arms: list[str], processes: int) -> dict[str, Any]:
    """The replays of every arm, by split."""
    jobs = [(table, number, arm) for arm in arms for number in splits]
    with ProcessPoolExecutor(processes) as pool:
        done = list(pool.map(one, jobs))
    count = len(splits)
    return {arm: done[i * count : (i + 1) * count] for i, arm in enumerate(arms)}


def line(table: runs.Runs, found: dict[str, Any], nets: list[float], real: bool) -> dict[str, Any]:
    """The case as JSON."""
    hours = {arm: [r.reached.hours for r in replays] for arm, replays in found.items()}
    ratios = [a / b for a, b in zip(hours[OURS], hours[PEER], strict=True)]
    full = [r.full for r in found[PEER]]
    return {
        "case": "np-electrostatics",
        "ours": spread(hours[OURS]),
        "peer": spread(hours[PEER]),
        "limit": None,
        "ratio": spread(ratios),
        "unit": "simulated hours to 95 % of the full pool's average precision",
        "table": "real" if real else "invented: means nothing",
        "pool_hours": round(float(table.hours.sum()) * (1.0 - replay.TEST), 1),
        "arms": {
            arm: {
                "hours": spread(hours[arm]),
                "runs": spread([float(r.reached.runs) for r in replays]),
                "recall": spread([r.reached.recall for r in replays]),
            }
            for arm, replays in found.items()
        },
        "full_pool": {
            "precision_forest": spread([point.precision for point in full]),
            "recall_forest": spread([point.recall for point in full]),
            "precision_network": spread(nets),
        },
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--runs", help="the table of real runs, a CSV file")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    path = runs.find(options.runs)
    if path is None:
        print(runs.LACKING, file=sys.stderr)
    table = runs.load(path) if path else runs.made_up()
    splits = range(2 if options.quick else SPLITS)
    arms = [OURS, PEER, *(() if options.quick else OTHERS)]
    found = measured(table, splits, arms, options.processes)
    print(json.dumps(line(table, found, networks(table, splits), path is not None)))


if __name__ == "__main__":
    main()
