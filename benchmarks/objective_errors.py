"""Noise whose standard error each run tells, against the same search without being told.

    python benchmarks/objective_errors.py [--quick] [--seeds 20] [--cases branin,hartmann3]

One JSON line a case: regret of the exact value of what is recommended, with the standard errors
(``ours``) and without (``peer``). Normal noise grows with the first variable: 40-fold on Branin's
function (from 0.5), 20-fold on Hartmann's of three variables (from 0.1).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from typing import Any

from objective import Case, branin, hartmann3, searched, told

from querist.tuning.recommending import recommended

CASES = {
    "branin": Case(branin, 2, 0.397887, 40, error=lambda x: 0.5 * 40 ** float(x[0])),
    "hartmann3": Case(hartmann3, 3, -3.86278, 40, error=lambda x: 0.1 * 20 ** float(x[0])),
}


def compared(name: str, seeds: int) -> dict[str, Any]:
    """Both ways of one case."""
    case, found = CASES[name], dict[str, Any]()
    for arm, silent in (("ours", False), ("peer", True)):
        begin, regrets = time.process_time(), []
        for seed in range(seeds):
            trials = searched(case, seed, "gp", silent, cost_aware=False)
            problem = case.problem(seed)
            chosen = recommended(replace(problem, errors={}) if silent else problem, trials)
            regrets.append(case.exact(chosen.settings) - case.least)
        found[arm] = {**told(regrets), "cpu_s": round((time.process_time() - begin) / seeds, 2)}
    ratio = round(found["ours"]["mean"] / found["peer"]["mean"], 3)
    return {"evaluations": case.runs, "seeds": seeds, **found, "ratio": ratio}


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two seeds")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cases", default=",".join(CASES))
    given = parser.parse_args()
    for name in given.cases.split(","):
        found = compared(name, 2 if given.quick else given.seeds)
        print(json.dumps({"case": name, **found}), flush=True)


if __name__ == "__main__":
    main()
