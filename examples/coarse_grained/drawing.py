"""The pictures of this example: torsion maps, and what other choices give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from peptide import FloatArray
from sampling import CENTRES, free_energy

BLUE, ORANGE, GREY = "#1f6fb4", "#d1720f", "#555555"
HIGHEST = 30.0
"""kJ/mol"""


def draw_maps(true: FloatArray, learned: FloatArray, asked: FloatArray, path: Path) -> None:
    """Free energies of phi and psi: all atoms, beads, their difference; where labels are.

    Args:
        true: Probabilities of all atoms ``(36, 36)``.
        learned: Those of beads.
        asked: Phi and psi of the labels ``(n, 2)``, in degrees.
        path: Where to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.5), dpi=130, layout="constrained")
    left, middle, right = figure.subplots(1, 3, sharex=True, sharey=True)
    levels = np.arange(0.0, HIGHEST + 1, 3.0)
    energies = [free_energy(true), free_energy(learned)]
    for axes, values, name in zip(
        (left, middle), energies, ("all atoms", "beads, and where was asked"), strict=True
    ):
        shown = np.where(values < HIGHEST, values, np.nan).T
        filled = axes.contourf(CENTRES, CENTRES, shown, levels, cmap="viridis")
        axes.set_title(name, fontsize=10)
    middle.plot(*asked.T, ".", ms=2.5, color="white", mec="black", mew=0.3)
    figure.colorbar(filled, ax=[left, middle], label="free energy / kJ mol$^{-1}$", shrink=0.9)
    known = np.where(energies[0] < 20.0, energies[0], np.nan)
    off = (energies[1] - known).T
    off = off - np.nanmedian(np.where(np.isfinite(off), off, np.nan))
    drawn = right.pcolormesh(CENTRES, CENTRES, off, cmap="RdBu_r", vmin=-6, vmax=6)
    right.set_title("beads less all atoms, below 20 kJ/mol", fontsize=10)
    figure.colorbar(drawn, ax=right, label="kJ mol$^{-1}$", shrink=0.9)
    for axes in (left, middle, right):
        axes.set(xlabel="φ / °", xlim=(-180, 180), ylim=(-180, 180), aspect="equal")
        axes.set_xticks(range(-180, 181, 90))
        axes.set_yticks(range(-180, 181, 90))
    left.set_ylabel("ψ / °")
    figure.savefig(path)


def draw_ways(ways: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Errors of forces on both sides and of maps, by how labels were chosen: means and runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 2.8), dpi=130, layout="constrained")
    forces, maps = figure.subplots(1, 2, sharey=True)
    for axes, shift, key, colour, label in (
        (forces, -0.2, "forces_right", BLUE, "φ < 0"),
        (forces, 0.2, "forces_left", ORANGE, "φ > 0"),
        (maps, 0.0, "map", GREY, None),
    ):
        digits = 3 if axes is forces else 1
        for place, runs in enumerate(ways.values()):
            values = [run[key] for run in runs]
            mean, at = float(np.mean(values)), place + shift
            named = label if place == 0 else None
            axes.barh(at, mean, 0.38, color=colour, alpha=0.75, label=named)
            axes.plot(values, [at] * len(values), "|", color="black", ms=7)
            text = f" {mean:.{digits}f}"
            axes.text(max(values), at, text, fontsize=7, va="center")
    forces.set(xlabel="error of held-out mean forces / eV Å$^{-1}$")
    forces.legend(frameon=False, fontsize=8)
    maps.set(xlabel="error of the torsion map / kJ mol$^{-1}$")
    forces.set_yticks(range(len(ways)), list(ways), fontsize=8)
    forces.invert_yaxis()
    for axes in (forces, maps):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
