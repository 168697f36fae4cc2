"""Pictures: temperatures, inputs, who answered, and what the gate noticed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from gated import TOLERANCE, Story
from plant import DECAYS, FOULS, Course, Log
from reactor import INTERVAL, LIMIT, Floats

BLUE, ORANGE, GREEN, GREY, RED = "#1f6fb4", "#d1720f", "#2d8a4e", "#777777", "#b3362c"
WINDOW = 50  # turns that a share is taken over


def draw(course: Course, logs: Mapping[str, Log], stories: Mapping[str, Story], path: Path) -> None:
    """One plant: temperatures, inputs, share simulated and errors of the model against time.

    Args:
        course: Of the plant, the first of those it has.
        logs: By what it was kept; the first plant of each is drawn.
        stories: Of the surrogates, by name.
        path: Of the PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 9), dpi=110, layout="constrained")
    hot, cool, who, off = figure.subplots(4, 1, sharex=True)
    minutes = INTERVAL * np.arange(len(course.aim))
    for (name, log), colour in zip(logs.items(), (ORANGE, GREEN, BLUE), strict=False):
        hot.plot(minutes, log.t[:, 0], color=colour, lw=0.8, label=name)
        cool.plot(minutes, log.u[:, 0], color=colour, lw=0.6, label=name)
    hot.plot(minutes, course.aim[:, 0], color="black", lw=0.8, ls="--", label="set-point")
    hot.axhline(LIMIT, color=RED, lw=0.8, label="limit")
    hot.set(ylabel="reactor / K", ylim=(343, LIMIT + 2))
    cool.set(ylabel="coolant / K")
    for (name, story), colour in zip(stories.items(), (BLUE, GREY), strict=False):
        who.plot(minutes, _mean(~story.modelled), color=colour, lw=1.2, label=name)
        x, y = minutes[story.modelled], np.abs(story.errors[story.modelled])
        off.plot(x, np.maximum(y, 1e-3), ".", ms=2, color=colour, label=name)
        for number, turn in enumerate(story.alarms):
            for axes in (who, off):
                told = {} if number else {"label": f"alarm, {name}"}
                axes.axvline(minutes[turn], color=RED, lw=1.0, **told)
    off.axhline(TOLERANCE, color="black", lw=0.8, ls="--", label="tolerance")
    who.set(ylabel="share simulated", ylim=(-0.02, 1.05))
    off.set(ylabel="error of the model / K", yscale="log", xlabel="time / min")
    for axes in (hot, cool, who, off):
        for between, shade in ((FOULS, "#f3e6d3"), (DECAYS, "#e0e0ee")):
            axes.axvspan(*(minutes[-1] * x for x in between), color=shade, lw=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=7, ncols=5, loc="lower left", bbox_to_anchor=(0, 1))
    figure.savefig(path)


def _mean(flags: Floats) -> Floats:
    """The share in the window before each turn."""
    summed = np.concatenate([[0.0], np.cumsum(flags)])
    end = np.arange(1, len(summed))
    begin = np.maximum(0, end - WINDOW)
    return (summed[end] - summed[begin]) / (end - begin)
