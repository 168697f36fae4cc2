"""Check: chosen experiments tell two reaction mechanisms apart in fewer than a factorial design.

    python examples/experiment_design/check.py [--full] [--folder runs/experiment_design]

The quick form has 20 series of each mechanism and design, the full one 200. Exit code 1 if the
chosen experiments were not fewer by a third at least, or wrong more often than they say.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from mechanisms import (  # noqa: E402
    DESIGNS,
    LIMIT,
    NAMES,
    PRESSURES,
    SURE,
    Judge,
    Told,
    factorial,
    series,
)
from scipy.stats import binom  # noqa: E402

QUICK, FULL = 20, 200
FEWER = 0.67  # of the experiments of the factorial design
CHANCE = 1e-3  # of so many wrong series, were they as sure as they say
BLUE, GREY, ORANGE, GREEN = "#1f6fb4", "#666666", "#d1720f", "#2d8a4e"
All = Mapping[tuple[int, str], Sequence[Told]]


def made(count: int) -> dict[tuple[int, str], list[Told]]:
    """All series, by true mechanism and design."""
    start = Judge.new()
    return {
        (truth, design): [series(start, truth, design, seed) for seed in range(count)]
        for truth in (0, 1)
        for design in DESIGNS
    }


def summary(told: Sequence[Told]) -> dict[str, Any]:
    """Numbers of one design; a series that ended unsure counts with its limit."""
    numbers = np.array([one.experiments for one in told])
    return {
        "series": len(told),
        "mean": float(numbers.mean()),
        "median": float(np.median(numbers)),
        "right": sum(one.right for one in told),
        "wrong": sum(one.sure and not one.right for one in told),
        "unsure": sum(not one.sure for one in told),
        "fewest draws": min(one.effective for one in told),
    }


def wrong(found: Mapping[tuple[int, str], Mapping[str, Any]]) -> list[str]:
    """What does not hold, in sentences."""
    told = []
    for truth, name in enumerate(NAMES):
        chosen, whole = found[truth, "discriminating"], found[truth, "factorial"]
        if chosen["mean"] > FEWER * whole["mean"]:
            told.append(f"{name}: {chosen['mean']:.1f} experiments, {whole['mean']:.1f} factorial")
        if chosen["unsure"] > whole["unsure"]:
            told.append(f"{name}: more series are unsure than with the factorial design")
    errors = sum(one["wrong"] for (_, d), one in found.items() if d == "discriminating")
    count = sum(one["series"] for (_, d), one in found.items() if d == "discriminating")
    if binom.sf(errors - 1, count, 1 - SURE) < CHANCE:
        told.append(f"{errors} of {count} series were sure of the wrong mechanism")
    return told


def table(found: Mapping[tuple[int, str], Mapping[str, Any]]) -> str:
    """As text."""
    lines = [f"{'true mechanism':21} {'design':27} mean  median  right  wrong  unsure"]
    for (truth, design), one in found.items():
        lines.append(
            f"{NAMES[truth]:21} {design:27} {one['mean']:4.1f}  {one['median']:6g}  "
            f"{one['right']:5}  {one['wrong']:5}  {one['unsure']:6}"
        )
    return "\n".join(lines)


def draw(told: All, path: Path) -> None:
    """Left where experiments are made, right how many series are decided after so many."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.4), dpi=150, layout="constrained")
    where, *after = figure.subplots(1, 3)
    rows = [r for truth in (0, 1) for one in told[truth, "discriminating"] for r in one.rows]
    counts = np.bincount(rows, minlength=len(PRESSURES) ** 2)
    a, b = np.meshgrid(PRESSURES, PRESSURES, indexing="ij")
    sizes = 500 * counts / counts.max()
    where.scatter(a.ravel(), b.ravel(), s=sizes, color=BLUE, alpha=0.6, lw=0, label="chosen")
    own = factorial()
    where.plot(a.ravel()[own], b.ravel()[own], "x", color=ORANGE, label="factorial")
    where.set(
        xscale="log", yscale="log", xlabel="pressure of A / bar", ylabel="pressure of B / bar"
    )
    where.set(xlim=(0.08, 4.5), ylim=(0.08, 4.5))
    where.legend(
        frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, markerscale=0.4
    )
    colours = dict(zip(DESIGNS, (BLUE, ORANGE, GREEN, GREY), strict=True))
    for truth, axes in enumerate(after):
        for design, colour in colours.items():
            ends = np.array(
                [one.experiments if one.right else np.inf for one in told[truth, design]]
            )
            x = np.arange(LIMIT + 1)
            share = (ends[:, None] <= x).mean(axis=0)
            axes.step(x, share, where="post", color=colour, lw=1.4, label=design)
        axes.set(title=f"true: {NAMES[truth]}", xlabel="experiments", ylim=(0, 1.02))
        axes.title.set_fontsize(9)
    after[0].set_ylabel("share of series decided rightly")
    after[0].legend(frameon=False, fontsize=7)
    for axes in (where, *after):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL} series instead of {QUICK}")
    parser.add_argument("--folder", type=Path, default=Path("runs/experiment_design"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    told = made(FULL if options.full else QUICK)
    found = {key: summary(one) for key, one in told.items()}
    draw(told, options.folder / "experiments.png")
    print(table(found))
    failures = wrong(found)
    rows = [{"true": NAMES[t], "design": d, **one} for (t, d), one in found.items()]
    text = json.dumps({"ok": not failures, "wrong": failures, "rows": rows}, indent=1) + "\n"
    (options.folder / "check.json").write_text(text, encoding="utf-8")
    print("\n".join(failures) or "check: ok")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
