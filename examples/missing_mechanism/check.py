"""Check: over seeds, how often is the missing mechanism found, and is the completed model better?

    python examples/missing_mechanism/check.py [--full] [--folder runs/missing_mechanism]

The quick form has one level of noise and three seeds, the full one four levels and 20 seeds. Each
run is kept: what was stopped goes on where it was. Exit code 1 if anything fails.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from drawing import draw_forecasts, draw_loop
from forecasts import forecasts
from naming import Round, discover
from populations import TRUTHS, World, world
from scipy.stats import binom

from querist import Study
from querist.tuning.settings import StudySettings, load_study
from querist.tuning.study import StudyResult, study_of
from querist.tuning.trial import Trial

HERE = Path(__file__).resolve().parent
QUICK = {"noise": {"choice": [0.05]}, "seed": {"integer": [0, 2]}}
SHOWN = ("both", 0.05, 1)
LEAST = {0.05: 0.8, 0.1: 0.8, 0.2: 0.5}  # exactly what is missing is named, in this share of runs
CHANCE = 1e-3  # of so few coefficients in their intervals, were these right
MODELS = ("filtered", "base", "corrected", "completed")


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one truth at one level of noise.

    Attributes:
        truth: Its name.
        noise: Standard deviation of an observation.
        runs: How many seeds.
        exact: Runs that named what is missing and nothing else.
        white: Runs whose residuals are white at the end.
        inside: Of ``coefficients`` of what was named rightly, in their 95 % interval.
        coefficients: See there.
        errors: Median error of the forecast by name of the model.
    """

    truth: str
    noise: float
    runs: int
    exact: int
    white: int
    inside: int
    coefficients: int
    errors: dict[str, float]


def settings(full: bool) -> StudySettings:
    """The study of ``study.yaml``, or its quick form."""
    told = load_study(HERE / "study.yaml")
    return told if full else told.model_copy(update={"space": {**told.space, **QUICK}})


def made(folder: Path, full: bool) -> StudyResult:
    """All runs: made, gone on with, or read from the folder if it has them all."""
    told = settings(full)
    study, count = Study(told), len(list(told.problem().space.grid()))
    if not folder.exists():
        return study.run(folder, progress=False)
    done = study_of(folder)
    return study.resume(folder, progress=False) if len(done.trials) < count else done


def rows(trials: Sequence[Trial]) -> list[Row]:
    """One for each truth at each level of noise."""
    groups: dict[tuple[Any, Any], list[Trial]] = {}
    for trial in trials:
        key = trial.settings["noise"], trial.settings["truth"]
        groups.setdefault(key, []).append(trial)
    order = sorted(groups, key=lambda key: (key[0], list(TRUTHS).index(key[1])))
    return [_row(str(truth), float(noise), groups[noise, truth]) for noise, truth in order]


def _row(truth: str, noise: float, trials: Sequence[Trial]) -> Row:
    def total(name: str) -> int:
        return int(sum(trial.outputs[name] for trial in trials))

    errors = {
        name: float(np.median([trial.outputs[f"error {name}"] for trial in trials]))
        for name in MODELS
    }
    exact = sum(trial.outputs["wrong"] == 0 for trial in trials)
    kept = total("white"), total("inside"), total("coefficients")
    return Row(truth, noise, len(trials), exact, *kept, errors)


def table(found: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [f"{'':43}median error of the forecast"]
    lines.append("truth     noise  named exactly  white  inside 95 %  " + "  ".join(MODELS))
    for row in found:
        errors = "  ".join(f"{row.errors[name]:.3f}".ljust(len(name)) for name in MODELS)
        lines.append(
            f"{row.truth:9} {row.noise:<6g} {row.exact:>5} of {row.runs:<5} {row.white:>5}  "
            f"{row.inside:>4} of {row.coefficients:<4}  {errors}"
        )
    return "\n".join(lines)


def wrong(found: Sequence[Row]) -> list[str]:
    """What does not hold, in sentences."""
    told = []
    for row in found:
        where = f"{row.truth} at noise {row.noise:g}"
        if row.exact < LEAST.get(row.noise, 0.0) * row.runs:
            told.append(f"{where}: named exactly in {row.exact} of {row.runs} runs only")
        if row.truth == "nothing":
            continue
        known = min(row.errors["filtered"], row.errors["base"])
        if row.errors["completed"] > 0.5 * known:
            error = row.errors["completed"]
            told.append(
                f"{where}: the completed model's error {error:.3f} is not half of {known:.3f}"
            )
    inside, count = sum(row.inside for row in found), sum(row.coefficients for row in found)
    if binom.cdf(inside, count, 0.95) < CHANCE:
        told.append(f"{inside} of {count} coefficients are in their 95 % intervals only")
    return told


def shown(folder: Path) -> tuple[World, list[Round]]:
    """One run again, to draw it."""
    truth, noise, seed = SHOWN
    seen = world(truth, noise, seed)
    rounds = discover(seen, seed)
    draw_loop(seen, rounds, folder / "loop.png")
    draw_forecasts(seen, forecasts(seen, rounds, seed), folder / "forecasts.png")
    return seen, rounds


def described(seen: World, rounds: Sequence[Round]) -> str:
    """What the loop did in one run, in sentences."""
    lines = [f"One run ({SHOWN[0]}, noise {SHOWN[1]:g}, seed {SHOWN[2]}):"]
    for number, turn in enumerate(rounds):
        named = ", ".join(one.name for one in turn.nominees[:3])
        has = " and ".join(turn.model.added) or "the base alone"
        lines.append(f"  {number}: {has}; white with p = {turn.white:.2g}; named: {named or '-'}")
    last = rounds[-1].model
    for name in last.added:
        got, std = last.coefficients(name)
        numbers = ", ".join(f"{g:.3f} ± {s:.3f}" for g, s in zip(got, std, strict=True))
        lines.append(f"  {name}: {numbers} (true: {seen.has.get(name, 'not there')})")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="20 seeds, four levels of noise")
    parser.add_argument("--folder", type=Path, default=Path("runs/missing_mechanism"))
    options = parser.parse_args(arguments)
    result = made(options.folder, options.full)
    found = rows([trial for trial in result.trials if not trial.failure])
    failures = [f"failed: {trial.failure}" for trial in result.trials if trial.failure]
    print(described(*shown(options.folder)))
    print(table(found))
    told = failures + wrong(found)
    record = {"ok": not told, "wrong": told, "rows": [asdict(row) for row in found]}
    text = json.dumps(record, indent=1) + "\n"
    (options.folder / "check.json").write_text(text, encoding="utf-8")
    print("\n".join(told) or "check: ok")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
