"""Check: a study finds the optimum of the exhaustive grid for a small part of what the grid costs.

    python examples/autotune_pme/check.py [--full | --measure] [--folder runs/autotune_pme_check]

Searches are replayed on the numbers of the grid, several seeds each, so that all see the same
measurements; then one study runs OpenMM itself. The quick form has a part of the space, whose grid
was measured once on a quiet machine (``grid-small.csv``; ``--measure`` writes it anew): what it
asserts does not depend on how busy a machine is. ``--full`` measures all of the space first (or
reads it, if it is in the folder already) and asserts times too.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from grid import settings, whole

from querist import Study
from querist.tuning.search import make_search
from querist.tuning.space import Values
from querist.tuning.study import StudyResult
from querist.tuning.trial import Problem, Trial

MEASURED = Path(__file__).resolve().parent / "grid-small.csv"
SETTINGS, OUTPUTS = ("cutoff", "tolerance", "method", "grid"), ("ms", "error")
CLOSE = 1.05  # of the grid's best: as near as repeated timings agree


class Table:
    """The grid's trials by their settings."""

    def __init__(self, problem: Problem, trials: Iterable[Trial]) -> None:
        self.problem = problem
        self._trials = {problem.space.key(trial.settings): trial for trial in trials}
        good = [trial for trial in self._trials.values() if problem.holds(trial)]
        if not good:
            raise SystemExit("check failed: no setting of the grid keeps the limit of the error.")
        self.best = min(good, key=lambda trial: trial.outputs["ms"])
        self.cost = sum(trial.cost or 0.0 for trial in self._trials.values())

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


def read(file: Path) -> Iterable[Trial]:
    """The trials of a table that :func:`write` wrote."""
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            told = {name: row[name] for name in SETTINGS if row[name]}
            values = {name: v if name == "method" else float(v) for name, v in told.items()}
            if "grid" in values:
                values["grid"] = int(values["grid"])
            yield Trial(values, {n: float(row[n]) for n in OUTPUTS}, float(row["spent"]))


def write(file: Path, trials: Iterable[Trial]) -> None:
    """One line for each trial: its settings, what it gave, CPU seconds that it took."""
    with file.open("w", newline="") as lines:
        rows = csv.writer(lines, lineterminator="\n")
        rows.writerow([*SETTINGS, *OUTPUTS, "spent"])
        for trial in trials:
            values = [trial.settings.get(name, "") for name in SETTINGS]
            numbers = [*(trial.outputs[name] for name in OUTPUTS), trial.cost]
            rows.writerow([*values, *(f"{number:.5g}" for number in numbers)])


def replayed(table: Table, use: str, seed: int, runs: int) -> tuple[int, float]:
    """Runs, and share of the grid's cost, until a search is as good as the grid."""
    problem = replace(table.problem, runs=runs, seed=seed)
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
        seeds = {"random": 20, "botorch": 3}.get(use, 10)
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


def table_of(folder: Path, full: bool) -> Table:
    """The grid: measured here if ``full``, else as it was measured on a quiet machine."""
    if full:
        grid = whole(folder / "grid-full", False, True)
        return Table(grid.problem, grid.trials)
    return Table(settings(True).problem(), read(MEASURED))


def judge(table: Table, result: StudyResult, full: bool) -> None:
    """Fail unless the study that ran OpenMM chose well; times are judged on a full grid only."""
    best = result.best
    if best is None:
        raise SystemExit("check failed: the study found no setting that keeps the limit.")
    measured = table.trial(best.settings)
    ratio = table.ms(best.settings) / table.fastest()
    print(f"study: {result.sentence()}")
    print(
        f"it paid {result.cost / table.cost:.1%} of the grid; by the grid's own timing its choice"
    )
    print(
        f"takes {ratio:.3f} times as long as the best, with an error of {best.outputs['error']:.2g}"
    )
    if not result.problem.holds(best) or not result.problem.holds(measured):
        raise SystemExit("check failed: the study's choice does not keep the limit of the error.")
    if full and ratio > 1.25:
        raise SystemExit("check failed: the study's choice is not near the grid's best.")


def main() -> None:
    """Replay searches on the grid, run one study."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--full", action="store_true", help="all of the space")
    parser.add_argument("--measure", action="store_true", help="write grid-small.csv anew and stop")
    parser.add_argument("--folder", type=Path, default=Path("runs/autotune_pme_check"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.measure:
        write(MEASURED, whole(options.folder / "grid-small", True).trials)
        return
    table = table_of(options.folder, options.full)
    print(f"grid: {len(table._trials)} settings, {table.cost:.0f} CPU seconds")
    print(f"its best: {table.best.outputs['ms']:.2f} ms a step, {table.best.settings}")
    shares = compared(table, options.full)
    if shares["gp"] >= shares["random"]:
        raise SystemExit("check failed: learning paid no less than chance.")
    number = sum(1 for _ in options.folder.glob("study-*"))
    judge(table, live(options.folder / f"study-{number}", options.full), options.full)
    print("check: ok")


if __name__ == "__main__":
    main()
