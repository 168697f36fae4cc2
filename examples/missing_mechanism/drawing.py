"""The pictures: corrections and residuals of each turn of the loop, and the forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from naming import Round
from populations import COUNT, STEP, Floats, World, columns

BLUE, ORANGE, GREEN, GREY, RED = "#1f6fb4", "#d1720f", "#2d8a4e", "#666666", "#b8322a"
COLOURS = {"filtered": GREY, "base": RED, "corrected": ORANGE, "completed": BLUE}
AGO = 52  # steps before the forecast that are drawn, too


def lacking(seen: World, model: Sequence[str], states: Floats) -> Floats:
    """``(n, 2)`` true rates per head of what a model lacks, along ``(n, 2)`` states."""
    gone = [name for name in seen.has if name not in model]
    values = [value for name in gone for value in seen.has[name]]
    found = np.zeros_like(states)
    x, y = np.exp(states).T
    for value, (equation, term) in zip(values, columns(gone), strict=True):
        found[:, equation] += value * term(x, y, STEP * np.arange(len(states)))
    return found


def draw_loop(seen: World, rounds: Sequence[Round], path: Path) -> None:
    """A row for each turn: data and course, corrections beside what is lacking, residuals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 2.5 * len(rounds)), dpi=150, layout="constrained")
    grid = figure.subplots(len(rounds), 3, squeeze=False, sharex="col")
    for number, turn in enumerate(rounds):
        _draw_turn(seen, turn, grid[number])
        grid[number, 0].set_ylabel(f"turn {number}: prey", fontsize=9)
    for axes in grid.ravel():
        axes.spines[["top", "right"]].set_visible(False)
    for axes, name in zip(grid[-1], ("years", "years", "lag / fortnights"), strict=True):
        axes.set_xlabel(name)
    figure.savefig(path)


def _draw_turn(seen: World, turn: Round, axes: Sequence[Any]) -> None:
    t = STEP * np.arange(COUNT)
    course, corrections, residuals = axes
    course.plot(t, np.exp(seen.seen[:, 0]), ".", ms=3, color=GREY, label="observed")
    fitted = turn.model.residuals * seen.noise + seen.seen
    course.plot(t, np.exp(fitted[:, 0]), color=BLUE, lw=1, label="fitted")
    course.set_title(" + ".join(["base", *turn.model.added]), fontsize=8)
    corrections.plot(t, turn.corrected.corrections[:, 0], color=ORANGE, lw=1.2, label="correction")
    true = lacking(seen, turn.model.added, seen.truth[:COUNT])[:, 0]
    base = np.stack([np.ones(COUNT), np.exp(seen.truth[:COUNT, 1])], axis=1)
    # What its own terms can stand for is taken up by the base's rates.
    left = true - base @ np.linalg.lstsq(base, true, rcond=None)[0]
    corrections.plot(t, left, color=GREY, lw=1, ls="--", label="what the model lacks")
    corrections.set_ylabel("per head and year", fontsize=8)
    _draw_correlation(turn, residuals)
    if not turn.model.added:
        course.legend(frameon=False, fontsize=7)
        corrections.legend(frameon=False, fontsize=7)
        residuals.legend(frameon=False, fontsize=7)


def _draw_correlation(turn: Round, axes: Any) -> None:
    """Autocorrelation of the residuals, with the band in which noise alone is."""
    lags = np.arange(1, 27)
    for series, colour, name in zip(
        (turn.model.residuals - turn.model.residuals.mean(axis=0)).T,
        (BLUE, GREEN),
        ("prey", "predators"),
        strict=True,
    ):
        r = [series[k:] @ series[:-k] / (series @ series) for k in lags]
        axes.plot(lags, r, "o-", ms=2.5, lw=0.7, color=colour, label=name)
    band = 1.96 / np.sqrt(COUNT)
    axes.axhspan(-band, band, color=GREY, alpha=0.2, lw=0)
    axes.set_ylim(-1, 1)
    axes.set_title(f"residuals: white with p = {turn.white:.2g}", fontsize=8)


def draw_forecasts(seen: World, told: Mapping[str, Floats], path: Path) -> None:
    """The truth and what each model says of the two years after the last observation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.2), dpi=150, layout="constrained")
    grid = figure.subplots(1, 2)
    t = STEP * np.arange(len(seen.truth))
    for i, (axes, name) in enumerate(zip(grid, ("prey", "predators"), strict=True)):
        axes.plot(t[COUNT - AGO :], np.exp(seen.truth[COUNT - AGO :, i]), "k-", lw=2.2, alpha=0.3)
        axes.plot(t[COUNT - AGO : COUNT], np.exp(seen.seen[-AGO:, i]), ".", ms=3, color=GREY)
        for model, one in told.items():
            axes.plot(t[COUNT:], np.exp(one[:, i]), color=COLOURS[model], lw=1.1, label=model)
        axes.set(xlabel="years", ylabel=name)
        axes.spines[["top", "right"]].set_visible(False)
    grid[1].legend(frameon=False, fontsize=8)
    figure.savefig(path)
