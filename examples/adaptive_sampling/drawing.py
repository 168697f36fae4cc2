"""The pictures: strategies over seeds, maps of free energy, and the learned latent space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from landscape import BASINS, EDGES, Landscape, basins_of
from numpy.typing import NDArray

COLOURS = ("#1f6fb4", "#2d8a4e", "#d1720f", "#b8322a", "#7a4fa3")
GREY = "#666666"
LINES = ("black", "#999999", *COLOURS[:4])
NAMES = {
    "plain": "plain dynamics",
    "random": "random frame",
    "torsion_cells": "least visited, phi and psi known",
    "least_visited": "least visited, latent cells",
    "outliers": "latent outliers",
    "uncertainty": "committee's uncertainty",
}
HIGHEST = 9.0  # kT
DOTS = 1200  # frames that are drawn


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def draw_strategies(
    rows: Sequence[Mapping[str, Any]],
    gained: Mapping[str, Mapping[str, Any]],
    known: tuple[float, float],
    path: Path,
) -> None:
    """When runs first saw the left-handed side, its weight, and how maps came near the known one.

    Args:
        rows: ``strategy``, ``first_left`` in ps, ``found`` and ``simulated`` of each run.
        gained: What ``gain.gains`` found, by strategy.
        known: The left-handed side's weight by the long run, and its standard error.
        path: Where the picture goes.
    """
    figure = _figure(14.0, 3.5)
    first, left, near = figure.subplots(1, 3, width_ratios=(1.2, 1.0, 1.1))
    names = [name for name in NAMES if name in gained]
    total = float(rows[0]["simulated"])
    for place, name in enumerate(reversed(names)):
        mine = [row for row in rows if row["strategy"] == name]
        at = place + np.linspace(-0.2, 0.2, len(mine))
        found = np.array([bool(row["found"]) for row in mine])
        times = np.array([row["first_left"] for row in mine])
        first.plot(times[found], at[found], "o", ms=5, color=COLOURS[0])
        first.plot(times[~found], at[~found], ">", ms=6, mfc="none", color=COLOURS[3])
        told = gained[name]
        left.plot(100.0 * np.array(told["left_interval"]), [place] * 2, color=COLOURS[0])
        left.plot(100.0 * told["left"], place, "o", ms=6, color=COLOURS[0])
        left.plot(100.0 * told["counted_left"], place, "x", ms=6, color=COLOURS[3])
    for axes in (first, left):
        axes.set_yticks(range(len(names)), [NAMES[name] for name in reversed(names)])
    left.set_yticklabels([])
    first.axvline(total, color=GREY, lw=0.8, ls=":")
    first.set(xlim=(0, 1.06 * total), xlabel="ps simulated until phi > 0 was seen")
    middle, error = (100.0 * value for value in known)
    left.axvspan(middle - 2 * error, middle + 2 * error, color=GREY, alpha=0.3, lw=0)
    left.set_xscale("symlog", linthresh=1.0)
    left.set_xticks([0, 1, 3, 10, 30], ["0", "1", "3", "10", "30"])
    left.set_xlabel("weight of phi > 0, %")
    for name, colour in zip(names, LINES, strict=False):
        errors = gained[name]["errors"]
        times = total * np.arange(1, len(errors) + 1) / len(errors)
        near.plot(times, errors, "-o", ms=3, color=colour, label=NAMES[name])
    near.set(ylim=(0, None), xlabel="ps simulated by each run", ylabel="error of the map, kT")
    figure.legend(*near.get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside right")
    _save(figure, [first, left, near], path)


def draw_maps(maps: Mapping[str, Landscape], path: Path) -> None:
    """Maps of free energy side by side, phi across and psi up."""
    figure = _figure(3.1 * len(maps) + 0.6, 3.3)
    grid = figure.subplots(1, len(maps), sharey=True, squeeze=False)[0]
    image = None
    for axes, (name, told) in zip(grid, maps.items(), strict=True):
        shown = np.ma.masked_invalid(told.free_energy.T)
        image = axes.pcolormesh(EDGES, EDGES, shown, cmap="viridis", vmin=0, vmax=HIGHEST)
        axes.set(xlabel="phi, degrees", aspect="equal", title=name)
        axes.title.set_fontsize(9)
        axes.set_xticks(range(-180, 181, 90))
        axes.set_yticks(range(-180, 181, 90))
    grid[0].set_ylabel("psi, degrees")
    figure.colorbar(image, ax=list(grid), label="free energy, kT", shrink=0.85)
    _save(figure, grid, path)


def draw_latent(
    places: NDArray[Any],
    torsions: NDArray[Any],
    clusters: NDArray[Any],
    other: tuple[NDArray[Any], NDArray[Any]],
    path: Path,
) -> None:
    """The latent space: by basins, by clusters, and a trajectory that it was not trained on.

    Args:
        places: ``(k, 2)`` of the frames that were trained on.
        torsions: ``(k, 2)`` phi and psi of them.
        clusters: ``(k,)`` numbers.
        other: Places and torsions of frames of another trajectory.
        path: Where the picture goes.
    """
    chosen = np.linspace(0, len(places) - 1, min(DOTS, len(places))).astype(int)
    places, torsions, clusters = places[chosen], torsions[chosen], clusters[chosen]
    figure = _figure(10.5, 3.7)
    by_basin, by_cluster, unseen = figure.subplots(1, 3, sharex=True, sharey=True)
    _by_basin(by_basin, places, torsions)
    by_basin.set_title("basins of phi and psi (the network saw neither)", fontsize=9)
    by_basin.legend(fontsize=7, markerscale=3, loc="lower left", framealpha=0.9)
    by_cluster.scatter(*places.T, c=clusters, s=3, cmap="tab10", lw=0)
    by_cluster.set_title("clusters of the latent space", fontsize=9)
    unseen.plot(*places.T, ".", ms=1, color="#cccccc")
    _by_basin(unseen, *other)
    unseen.set_title("a plain trajectory that it was not trained on", fontsize=9)
    by_basin.set_ylabel("latent 2")
    for axes in (by_basin, by_cluster, unseen):
        axes.set_xlabel("latent 1")
    _save(figure, [by_basin, by_cluster, unseen], path)


def _by_basin(axes: Any, places: NDArray[Any], torsions: NDArray[Any]) -> None:
    numbers = basins_of(np.asarray(torsions))
    for number, (name, colour) in enumerate(zip(BASINS, COLOURS, strict=True)):
        rows = numbers == number
        if rows.any():
            axes.plot(*places[rows].T, ".", ms=2, color=colour, label=name)


def _save(figure: Any, axes: Sequence[Any], path: Path) -> None:
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
