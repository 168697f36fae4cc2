"""The pictures of this example: how searches went on, and what they found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lennard_jones import FloatArray

BLUE, ORANGE, GREY = "#1f6fb4", "#d1720f", "#222222"


def draw_searches(
    lowest: Mapping[str, FloatArray], known: Mapping[str, float], unit: str, path: Path
) -> None:
    """Lowest label so far above the known minimum, against the oracle calls of the campaign.

    Args:
        lowest: By what was searched: for each call (k,) the lowest energy labelled so far, NaN
            before the first.
        known: Energies of the minima.
        unit: Of energies.
        path: Where to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), dpi=150, layout="constrained")
    axes = figure.subplots()
    shades = np.linspace(0.15, 0.9, len(lowest))
    from matplotlib import colormaps

    for shade, (name, energies) in zip(shades, lowest.items(), strict=True):
        above = np.maximum(energies - known[name], 1e-7)
        calls = np.arange(1, len(above) + 1)
        axes.step(calls, above, where="post", lw=1.8, color=colormaps["viridis"](shade), label=name)
    axes.set(yscale="log", xlabel="oracle calls of the campaign, all sizes together")
    axes.set_ylabel(f"lowest label above the known minimum / {unit}")
    axes.legend(frameon=False, fontsize=9)
    axes.grid(color="#dddddd", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def draw_clusters(
    found: Mapping[str, tuple[FloatArray, float]], distance: float, unit: str, path: Path
) -> None:
    """The clusters found, near atoms larger, neighbours joined.

    Args:
        found: By name: positions (n, 3), and the energy.
        distance: Of neighbours that are joined at most.
        unit: Of the energies.
        path: Where to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.6 * len(found), 3.0), dpi=150, layout="constrained")
    several = np.atleast_1d(figure.subplots(1, len(found)))
    for axes, (name, (positions, energy)) in zip(several, found.items(), strict=True):
        _cluster(axes, principal(positions), distance)
        axes.set_title(f"{name}\n{energy:.4f} {unit}", fontsize=9)
    figure.savefig(path)


def principal(positions: FloatArray) -> FloatArray:
    """Turned so that the longest axis lies across the page, and a little to the viewer."""
    centred = positions - positions.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    a, b = 0.35, 0.25
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return np.asarray(centred @ axes.T @ tilt @ turn)


def _cluster(axes: Any, positions: FloatArray, distance: float) -> None:
    order = np.argsort(positions[:, 2])
    x = positions[order]
    depth = (x[:, 2] - x[0, 2]) / max(np.ptp(x[:, 2]), 1e-9)
    for i in range(len(x)):
        for j in range(i):
            if np.linalg.norm(x[i] - x[j]) < distance:
                axes.plot(
                    *x[[i, j], :2].T, color="#888888", lw=1.0, zorder=float(depth[[i, j]].min())
                )
    from matplotlib import colormaps

    colours = colormaps["Blues"](0.35 + 0.55 * depth)
    for place, colour, near in zip(x, colours, depth, strict=True):
        axes.scatter(
            *place[:2], s=160 * (0.7 + 0.5 * near), color=colour, edgecolor=GREY, lw=0.7,
            zorder=float(near) + 0.1,
        )  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    axes.axis("off")
    axes.margins(0.15)


def draw_failures(calls: Mapping[str, tuple[Any, FloatArray]], path: Path) -> None:
    """Failures against calls, and the oracle's seconds.

    Args:
        calls: By campaign: whether each call failed (k,), and its seconds (k,).
        path: Where to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.4), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.6, 1.0])
    for colour, (name, (failed, seconds)) in zip((BLUE, ORANGE), calls.items(), strict=True):
        count = np.concatenate([[0], np.cumsum(failed)])
        left.step(np.arange(len(count)), count, where="post", color=colour, lw=1.8, label=name)
        sums = [float(seconds[~failed].sum()), float(seconds[failed].sum())]
        right.barh([name], sums[:1], color=colour, height=0.5)
        right.barh([name], sums[1:], left=sums[:1], color=colour, height=0.5, alpha=0.4)
        right.text(sum(sums), name, f" {sums[1]:.0f} s failed", va="center", fontsize=8)
    left.set(xlabel="calls of the oracle", ylabel="of which failed")
    left.legend(frameon=False, fontsize=9)
    right.set(xlabel="oracle seconds (pale: failed)")
    right.margins(x=0.35, y=0.4)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
