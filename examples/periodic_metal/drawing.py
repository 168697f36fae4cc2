"""The pictures of this example: properties of copper, and errors of what was not learned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from crystal import Crystal, FloatArray

BLUE, ORANGE, GREY = "#1f6fb4", "#d1720f", "#555555"


def draw_properties(
    crystals: Mapping[str, Crystal],
    surfaces: Mapping[str, tuple[float, float]],
    measured: Mapping[str, float],
    path: Path,
) -> None:
    """Equation of state, elastic constants and surface energies, oracle beside model.

    Args:
        crystals: The oracle's and the model's, by name.
        surfaces: By face: the oracle's energy and the model's, in J/m^2.
        measured: Elastic constants of real copper, in GPa.
        path: Where to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 3.4), dpi=150, layout="constrained")
    state, elastic, surface = figure.subplots(1, 3, width_ratios=[1.3, 1.3, 0.9])
    (first, true), (second, learned) = crystals.items()
    state.plot(true.volumes, true.energies, "o", ms=5, mfc="none", color=GREY, label=first)
    state.plot(learned.volumes, learned.energies, color=BLUE, lw=1.6, label=second)
    state.set(xlabel="volume of an atom / Å³", ylabel="energy of an atom / eV")
    state.legend(frameon=False, fontsize=9)
    names = ["C11", "C12", "C44", "B"]
    values = [[getattr(c, n.lower()) for n in names[:3]] + [c.modulus] for c in (true, learned)]
    _bars(elastic, names, values, (first, second), "{:.0f}")
    where = np.arange(3)
    elastic.plot(
        where, [measured[n] for n in names[:3]], "k_", ms=22, mew=1.2, label="measured, 0 K"
    )
    elastic.set_ylabel("elastic constant / GPa")
    elastic.legend(frameon=False, fontsize=8)
    faces = [f"({face})" for face in surfaces]
    _bars(surface, faces, list(zip(*surfaces.values(), strict=True)), (first, second), "{:.3f}")
    surface.set_ylabel("surface energy / J m$^{-2}$")
    for axes in (state, elastic, surface):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _bars(axes: Any, names: list[str], values: Any, labels: tuple[str, str], text: str) -> None:
    where = np.arange(len(names))
    for shift, heights, colour, label in zip(
        (-0.2, 0.2), values, (GREY, BLUE), labels, strict=True
    ):
        bars = axes.bar(where + shift, heights, 0.38, color=colour, label=label)
        inside = [text.format(h) for h in heights]
        axes.bar_label(bars, inside, label_type="center", fontsize=7, color="white")
    axes.set_xticks(where, names)
    axes.margins(y=0.15)


def draw_held_out(
    forces: tuple[FloatArray, FloatArray],
    stress: tuple[FloatArray, FloatArray],
    doubts: tuple[FloatArray, FloatArray],
    path: Path,
) -> None:
    """The model against the oracle where it did not learn, and its errors against its doubt.

    Args:
        forces: The oracle's components and the model's, in eV/Angstrom.
        stress: Likewise, in GPa.
        doubts: Of each geometry, standard deviation and error of the worst atom's force.
        path: Where to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 3.4), dpi=150, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, (true, said), name in (
        (left, forces, "force component / eV Å$^{-1}$"),
        (middle, stress, "stress component / GPa"),
    ):
        axes.plot(true, said, ".", ms=3, color=BLUE, alpha=0.6)
        ends = [min(true.min(), said.min()), max(true.max(), said.max())]
        axes.plot(ends, ends, color=GREY, lw=0.8)
        error = float(np.sqrt(np.mean((true - said) ** 2)))
        axes.set(xlabel=f"{name}, EMT", ylabel="model", title=f"rms error {error:.3g}")
        axes.title.set_fontsize(9)
    doubt, error = doubts
    right.loglog(doubt, error, "o", ms=4, color=ORANGE, alpha=0.8)
    ends = np.array([min(doubt.min(), error.min()), max(doubt.max(), error.max())])
    right.plot(ends, ends, color=GREY, lw=0.8)
    right.set(xlabel="doubt of the worst force / eV Å$^{-1}$", ylabel="its error / eV Å$^{-1}$")
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
