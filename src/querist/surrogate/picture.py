"""A picture of a surrogate's life: who answered, and the coverage that audits measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from querist.accounting.effective_terms import exact_interval
from querist.surrogate.settings import SurrogateSettings
from querist.surrogate.state import State

BLUE, ORANGE, GREY, RED = "#3b6ea8", "#d1802f", "#777777", "#b3362c"


def draw(state: State, settings: SurrogateSettings, path: Path) -> None:
    """Write a picture: answers over time above, coverage with its 95 % interval below.

    Args:
        state: Of the surrogate.
        settings: Of the surrogate.
        path: By its suffix, a PNG, SVG or PDF file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    points = np.array(state.curve, np.float64).reshape(-1, 5)
    t, simulated, trusted = points[:, 0], points[:, 1], points[:, 2]
    above.plot(t, simulated, color=ORANGE, label="by simulation", drawstyle="steps-post")
    above.plot(t, trusted, color=BLUE, label="by the model", drawstyle="steps-post")
    above.set_ylabel("answers so far")
    _coverage(below, points)
    below.axhline(settings.coverage, color=GREY, ls="--", lw=1, label="promised")
    below.set_ylabel("audits within\nthe tolerance")
    below.set_xlabel("time / s")
    for axes in (above, below):
        for number, alarm in enumerate(state.alarms):
            axes.axvline(alarm["t"], color=RED, lw=1, label=None if number else "drift")
        axes.legend(frameon=False, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _coverage(axes: Any, points: np.ndarray) -> None:
    """The share of audits within the tolerance, where there are any, with its interval."""
    told = points[points[:, 3] > 0]
    if not len(told):
        axes.set_ylim(0.0, 1.02)
        return
    audits, within = told[:, 3].astype(int), told[:, 4].astype(int)
    ends = [exact_interval(w, n) or (0.0, 1.0) for w, n in zip(within, audits, strict=True)]
    low, high = np.array(ends).T
    axes.fill_between(told[:, 0], low, high, color=BLUE, alpha=0.2, lw=0, step="post")
    axes.plot(told[:, 0], within / audits, color=BLUE, drawstyle="steps-post", label="measured")
    axes.set_ylim(max(0.0, float(np.quantile(low, 0.1)) - 0.05), 1.01)
