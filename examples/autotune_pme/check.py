"""Check: a study finds the optimum of the exhaustive grid for a small part of what the grid costs.

    python examples/autotune_pme/check.py [--full] [--folder runs/autotune_pme_check]

First the grid is measured (or read, if it is in the folder already). Searches are then replayed on
its numbers, several seeds each, so that all see the same measurements. Last, one study runs OpenMM
itself. The quick form has a part of the space; ``--full`` all of it.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from grid import settings, whole

from querist import Study
from querist.tuning.search import make_search
from querist.tuning.space import Values
from querist.tuning.study import StudyResult
from querist.tuning.trial import Problem, Trial

CLOSE = 1.05  # of the grid's best: as near as repeated timings agree


class Table:
    """The grid's trials by their settings."""

    def __init__(self, grid: StudyResult) -> None:
        self.problem = grid.problem
        self._trials = {self.problem.space.key(trial.settings): trial for trial in grid.trials}
        best = grid.best
        if best is None:
            raise SystemExit("check failed: no setting of the grid keeps the limit of the error.")
        self.best, self.cost = best, grid.cost

    def trial(self, values: Values) -> Trial:
        """What the grid measured there."""
        return self._trials[self.problem.space.key(values)]

    def ms(self, values: Values) -> float:
        """CPU time of a step: median over tolerances, which move the split at no cost."""
        alike = [
            trial.outputs["ms"]
            for trial in self._trials.values()
            if {**trial.settings, "tolerance": 0} == {**values, "tolerance": 0}
        ]
        return statistics.median(alike)

    def fastest(self) -> float:
        """The least such time of a setting that keeps the limit."""
        good = [t for t in self._trials.values() if self.problem.holds(t)]
        return min(self.ms(trial.settings) for trial in good)


def replayed(table: Table, use: str, seed: int, runs: int) -> tuple[int, float]:
    """Runs, and share of the grid's cost, until a search is as good as the grid."""
    found = table.problem
    problem = Problem(found.space, found.output, found.maximise, found.limits, runs, seed)
    search, spare, spent = make_search(use, problem), make_search("random", problem), 0.0
    for count in range(1, len(table._trials) + 1):
        [values] = search.ask(1, []) or spare.ask(1, [])  # out of ideas: at random
        trial = table.trial(problem.space.own(values))
        spent += trial.cost or 0.0
        search.tell([trial])
        spare.tell([trial])
        if problem.holds(trial) and trial.outputs["ms"] <= CLOSE * table.best.outputs["ms"]:
            return count, spent / table.cost
    raise SystemExit(f"check failed: {use} never reached the grid's best.")


def compared(table: Table, full: bool) -> dict[str, float]:
    """Median share of the grid that each search pays."""
    names = ("gp", "random", *(("optuna", "botorch") if full else ()))
    shares = {}
    for use in names:
        seeds = 20 if use == "random" else 3 if use == "botorch" else 10 if full else 3
        ends = [replayed(table, use, seed, 40 if full else 20) for seed in range(seeds)]
        runs = statistics.median(count for count, _ in ends)
        shares[use] = statistics.median(share for _, share in ends)
        most = max(count for count, _ in ends)
        print(f"{use:8} {runs:5.0f} runs (at most {most}), {shares[use]:.1%} of the grid's cost")
    return shares


def live(folder: Path, full: bool) -> StudyResult:
    """One study that runs OpenMM itself."""
    told: dict[str, Any] = {} if full else {"budget": {"runs": 16}}
    return Study(settings(not full, **told)).run(folder, progress=False)


def main() -> None:
    """Measure the grid, replay searches on it, run one study."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--full", action="store_true", help="all of the space")
    parser.add_argument("--folder", type=Path, default=Path("runs/autotune_pme_check"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    name = "grid-full" if options.full else "grid-small"
    table = Table(whole(options.folder / name, not options.full, options.full))
    print(f"grid: {len(table._trials)} settings, {table.cost:.0f} CPU seconds")
    print(f"its best: {table.best.outputs['ms']:.2f} ms a step, {table.best.settings}")
    shares = compared(table, options.full)
    number = sum(1 for _ in options.folder.glob("study-*"))
    result = live(options.folder / f"study-{number}", options.full)
    best = result.best
    if best is None:
        raise SystemExit("check failed: the study found no setting that keeps the limit.")
    measured = table.trial(best.settings)
    ratio = table.ms(best.settings) / table.fastest()
    error = measured.outputs["error"]
    print(f"study: {result.sentence()}")
    print(
        f"it paid {result.cost / table.cost:.1%} of the grid; by the grid's own timing its choice"
    )
    print(f"takes {ratio:.3f} times as long as the best, with an error of {error:.2g}")
    if ratio > 1.25 or not result.problem.holds(measured):
        raise SystemExit("check failed: the study's choice is not near the grid's best.")
    if shares["gp"] >= shares["random"]:
        raise SystemExit("check failed: learning paid no less than chance.")
    print("check: ok")


if __name__ == "__main__":
    main()
