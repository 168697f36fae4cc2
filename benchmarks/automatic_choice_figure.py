"""Figures of the automatic choice: mean curves of all arms, and one choice with its forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Record = Mapping[str, Any]
SHOWN = ("auto", "auto-charged", "albl", "mixed")


def draw(records: Sequence[Record], folder: Path) -> None:
    """``automatic-choice-PROBLEM.png`` for each problem."""
    folder.mkdir(parents=True, exist_ok=True)
    for problem in dict.fromkeys(one["problem"] for one in records):
        _of([one for one in records if one["problem"] == problem], problem, folder)


def _of(records: Sequence[Record], problem: str, folder: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for arm in dict.fromkeys(one["arm"] for one in records):
        curves = np.array([one["curve"] for one in records if one["arm"] == arm])
        strong = arm in SHOWN
        share = np.linspace(0, 100, curves.shape[1])
        axes.plot(share, curves.mean(axis=0), label=arm, lw=2 if strong else 1,
                  ls="-" if strong else "--")  # fmt: skip
    axes.set(xlabel="% of the budget", ylabel="accuracy on the test set", title=problem)
    axes.legend(fontsize=7, ncols=2)
    figure.savefig(folder / f"automatic-choice-{problem}.png", dpi=120)
