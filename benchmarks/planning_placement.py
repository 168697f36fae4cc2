"""How many cores an answer should have: foretold from two runs, and measured.

    python benchmarks/planning_placement.py [--quick]

Real campaigns on ``processes`` that ask four questions a model, of an oracle that sleeps by
Amdahl's law (1.2 s on one core, a tenth of it serial), so that no core is needed. Two runs, with 1
and 4 cores an answer, tell the serial share; the plan for 14 cores chooses, and the best allocation
with each number of cores is run. A line ``placement-one`` each: forecast and measured time.
``placement``: ``ours`` is the measured time of the recommended over the best, ``limit`` 1.05;
``error`` the worst relative error.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import planning_roles
from runs_alone import run_alone

CORES = 14
SIZES = (1, 2, 4, 8)


def campaign(cores: int, workers: int, explorers: int, labels: int, folder: Path) -> Path:
    """A real run, in processes of its own."""
    target = folder / f"{cores}-{workers}-{explorers}"
    run_alone(__file__, cores, workers, explorers, labels, target, threads=False)
    return target


def one(*arguments: str) -> None:
    """A campaign in this process."""
    from querist import Campaign

    *numbers, folder = arguments
    Campaign(**planning_roles.rounds(*map(int, numbers)), engine="processes").run(
        folder, progress=False
    )


def compared(labels: int, folder: Path) -> dict[str, object]:
    """The line ``placement``."""
    from querist.campaign.campaign import summary_of
    from querist.campaign.effects import effects_of
    from querist.campaign.loading import parse_settings
    from querist.campaign.planned import Wanted, behaviour_of, planned

    settings = {
        size: parse_settings(planning_roles.rounds(size, 1, 1, labels), "benchmark")
        for size in SIZES
    }
    runs = [campaign(size, workers, 1, labels, folder) for size, workers in ((1, 3), (4, 2))]
    wanted = Wanted(CORES)
    known = effects_of(runs, settings[1], wanted)
    # A plan leaves out sizes that save nothing: each is also foretold as if it was configured.
    plans = {
        size: planned(one, behaviour_of(runs[0], one), wanted, known)
        for size, one in settings.items()
    }
    found = plans[1]
    took: dict[int, float] = {}
    errors = []
    for size in SIZES:
        best = next(one for one in plans[size] if one.allocation.placement.size("f") == size)
        workers, explorers = dict(best.allocation.oracles)["f"], best.allocation.explorers
        run = campaign(size, workers, explorers, labels, folder)
        took[size] = float(summary_of(run)["run"]["campaign_seconds"])
        errors.append(abs(best.seconds / took[size] - 1))
        line = {
            "cores": size,
            "workers": workers,
            "explorers": explorers,
            "expected": round(best.seconds, 2),
        }
        line |= {"measured": round(took[size], 2), "error": round(errors[-1], 3)}
        print(json.dumps({"case": "placement-one", **line}), flush=True)
    chosen = found[0].allocation.placement.size("f")
    line = {"ours": round(took[chosen] / min(took.values()), 3), "limit": 1.05, "cores": chosen}
    line |= {"error": round(max(errors), 3), "serial": round(known.serial["f"], 3)}
    worst = round(max(took.values()) / min(took.values()), 2)
    return {**line, "worst_over_best": worst, "load": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer labels")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(*given.one)
        return
    with tempfile.TemporaryDirectory() as scratch:
        line = compared(24 if given.quick else 60, Path(scratch))
        print(json.dumps({"case": "placement", **line}), flush=True)


if __name__ == "__main__":
    main()
