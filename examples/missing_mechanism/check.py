"""Check: over seeds, how often is the missing mechanism found, and is the completed model better?

    python examples/missing_mechanism/check.py [--full] [--folder runs/missing_mechanism]

The quick form has one level of noise and three seeds, the full one four levels and 20 seeds. Each
run is kept: what was stopped goes on where it was. Exit code 1 if anything fails.
"""

from __future__ import annotations

import argparse
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
from querist.testing.checks import Row, above, below, finish, save
from querist.tuning.settings import StudySettings, load_study
from querist.tuning.study import StudyResult, study_of
from querist.tuning.trial import Trial

HERE = Path(__file__).resolve().parent
QUICK = {"noise": {"choice": [0.05]}, "seed": {"integer": [0, 2]}}
SHOWN = ("both", 0.05, 1)
LEAST = {0.05: 0.8, 0.1: 0.7, 0.2: 0.5, 0.4: 0.35}
"""Exactly what is missing is named, in more than this share of runs at a level of noise."""
HARD = {("both", 0.4): 0.1}
"""Instead, where the data rarely hold two mechanisms (README.md)."""
HALF = 0.5  # of the better base's error of the forecast, where something is missing
SLIP = 0.05  # share of runs in which the search overlooked what is true
CHANCE = 1e-3  # of so few coefficients in their intervals, were these right
MODELS = ("filtered", "base", "corrected", "completed")


@dataclass(frozen=True, slots=True)
class Group:
    """What came of one truth at one level of noise.

    Attributes:
        truth: Its name.
        noise: Standard deviation of an observation.
        runs: How many seeds.
        exact: Runs that named what is missing and nothing else.
        overlooked: Of the others, those where the true mechanisms fit better than what was chosen.
        white: Runs whose residuals are white at the end.
        inside: Of ``coefficients`` of what was named rightly, in their 95 % interval.
        coefficients: See there.
        errors: Median error of the forecast by name of the model.
    """

    truth: str
    noise: float
    runs: int
    exact: int
    overlooked: int
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


def groups(trials: Sequence[Trial]) -> list[Group]:
    """One for each truth at each level of noise."""
    found: dict[tuple[Any, Any], list[Trial]] = {}
    for trial in trials:
        key = trial.settings["noise"], trial.settings["truth"]
        found.setdefault(key, []).append(trial)
    order = sorted(found, key=lambda key: (key[0], list(TRUTHS).index(key[1])))
    return [_group(str(truth), float(noise), found[noise, truth]) for noise, truth in order]


def _group(truth: str, noise: float, trials: Sequence[Trial]) -> Group:
    def total(name: str) -> int:
        return int(sum(trial.outputs[name] for trial in trials))

    errors = {
        name: float(np.median([trial.outputs[f"error {name}"] for trial in trials]))
        for name in MODELS
    }
    exact = sum(trial.outputs["wrong"] == 0 for trial in trials)
    kept = total("overlooked"), total("white"), total("inside"), total("coefficients")
    return Group(truth, noise, len(trials), exact, *kept, errors)


def table(found: Sequence[Group]) -> str:
    """The groups as text."""
    lines = [f"{'':55}median error of the forecast"]
    told = "truth     noise  named exactly  overlooked  white  inside 95 %  "
    lines.append(told + "  ".join(MODELS))
    for one in found:
        errors = "  ".join(f"{one.errors[name]:.3f}".ljust(len(name)) for name in MODELS)
        lines.append(
            f"{one.truth:9} {one.noise:<6g} {one.exact:>5} of {one.runs:<5} {one.overlooked:>10}  "
            f"{one.white:>5}  {one.inside:>4} of {one.coefficients:<4}  {errors}"
        )
    return "\n".join(lines)


def checked(found: Sequence[Group]) -> list[Row]:
    """What was wanted and got."""
    rows = []
    for one in found:
        where = f"{one.truth} at noise {one.noise:g}"
        least = HARD.get((one.truth, one.noise), LEAST[one.noise])
        rows.append(above(f"{where}: named exactly", least, one.exact / one.runs))
        if one.truth != "nothing":
            known = min(one.errors["filtered"], one.errors["base"])
            share = one.errors["completed"] / known
            rows.append(below("  forecast's error, share of the base's", HALF, share))
    runs, overlooked = sum(one.runs for one in found), sum(one.overlooked for one in found)
    rows.append(below("what is true fits better than what was named", SLIP, overlooked / runs))
    inside, count = sum(one.inside for one in found), sum(one.coefficients for one in found)
    chance = float(binom.cdf(inside, count, 0.95))
    rows.append(above(f"{inside} of {count} coefficients within 95 %: chance", CHANCE, chance))
    return rows


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
    found = groups([trial for trial in result.trials if not trial.failure])
    failed = sum(bool(trial.failure) for trial in result.trials)
    print(described(*shown(options.folder)))
    print(table(found))
    rows = [below("runs that failed", 1, failed), *checked(found)]
    save(options.folder, rows, {"groups": [asdict(one) for one in found]})
    return finish(rows)


if __name__ == "__main__":
    sys.exit(main())
