"""The pictures of this example: barriers beside barriers, and the paths behind some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from paths import Transfer
from peptides import ACCEPTOR, DONOR, KCAL_PER_MOL, MOVING, NUMBERS, FloatArray, carbon_distance

BLUE, GREY, RED = "#1f6fb4", "#222222", "#c23b22"
COLOURS = {1: "#dddddd", 6: "#555555", 7: "#3050f8", 8: "#e02010"}
RADII = {1: 0.31, 6: 0.76, 7: 0.71, 8: 0.66}
"""Covalent, in Angstrom (Cordero et al., Dalton Trans. 2008, 2832)."""


def draw_barriers(true: Sequence[Transfer], said: Sequence[Transfer], path: Path) -> None:
    """Barriers of both directions, surrogate against oracle, and against the carbons' distance."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.2), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    wanted, got = barriers(true), barriers(said)
    apart = np.array(
        [float(carbon_distance(one.positions[len(one.positions) // 2])) for one in true]
    )
    ends = np.array([min(wanted.min(), got.min()) - 1.0, max(wanted.max(), got.max()) + 1.0])
    left.fill_between(ends, ends - 1, ends + 1, color=BLUE, alpha=0.12, lw=0, label="± 1 kcal/mol")
    left.plot(ends, ends, color=GREY, lw=0.8)
    for column, (mark, name) in enumerate((("o", "forward"), ("s", "backward"))):
        left.plot(wanted[:, column], got[:, column], mark, color=BLUE, mfc="white", label=name)
    left.set(xlim=ends, ylim=ends, aspect="equal")
    left.set(xlabel="GFN2-xTB's barrier / kcal mol⁻¹", ylabel="surrogate's barrier / kcal mol⁻¹")
    left.legend(frameon=False)
    right.plot(apart, wanted.mean(axis=1), "o", color=GREY, mfc="white", label="GFN2-xTB")
    right.plot(apart, got.mean(axis=1), "x", color=BLUE, label="surrogate")
    right.set_xlabel("distance of the alpha carbons halfway / Å")
    right.set_ylabel("mean of both barriers / kcal mol⁻¹")
    right.legend(frameon=False)
    for axes in (left, right):
        _plain(axes)
    figure.savefig(path)


def draw_committees(found: Mapping[str, Any], path: Path) -> None:
    """Barriers of two committees of the same labels against the oracle's, as ``mace.json`` has."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 4.4), dpi=150, layout="constrained")
    axes, wanted = figure.subplots(), np.ravel(found["oracle"])
    ends = np.array([wanted.min() - 2.0, wanted.max() + 2.0])
    axes.fill_between(ends, ends - 1, ends + 1, color=BLUE, alpha=0.12, lw=0, label="± 1 kcal/mol")
    axes.plot(ends, ends, color=GREY, lw=0.8)
    for name, text, mark, colour in (
        ("kernel", "kernel committee", "o", BLUE),
        ("mace", "MACE committee", "s", RED),
    ):
        got = np.ravel(np.array(found[name]["barriers"], float))
        axes.plot(wanted, got, mark, color=colour, mfc="white", label=text)
    axes.set(xlim=ends, xlabel="GFN2-xTB's barrier / kcal mol⁻¹")
    axes.set_ylabel(f"barrier learned from {found['labels']} labels / kcal mol⁻¹")
    axes.legend(frameon=False)
    _plain(axes)
    figure.savefig(path)


def barriers(paths: Sequence[Transfer]) -> FloatArray:
    """Forward and backward (k, 2), in kcal/mol."""
    return np.array([[path.forward, path.backward] for path in paths])


def draw_paths(true: Sequence[Transfer], said: Sequence[Transfer], path: Path) -> None:
    """Some sites: the molecules halfway, and the energy along the transfer."""
    from matplotlib.figure import Figure

    count = min(4, len(true))
    figure = Figure(figsize=(3.0 * count, 5.4), dpi=150, layout="constrained")
    upper, lower = np.atleast_2d(figure.subplots(2, count, height_ratios=(1.2, 1))).reshape(2, -1)
    for column in range(count):
        draw_molecules(upper[column], true[column].positions[len(true[column].positions) // 2])
        for one, style in ((true[column], "o"), (said[column], "-x")):
            name = "GFN2-xTB" if style == "o" else "surrogate"
            energy = (one.energies - one.energies[0]) / KCAL_PER_MOL
            colour = GREY if style == "o" else BLUE
            lower[column].plot(one.coordinate, energy, style, color=colour, mfc="white", label=name)
        lower[column].set_xlabel("d(C–H) − d(H–C′) / Å")
        _plain(lower[column])
    lower[0].set_ylabel("energy / kcal mol⁻¹")
    lower[0].legend(frameon=False, fontsize=8)
    figure.savefig(path)


def draw_molecules(axes: Any, positions: FloatArray) -> None:
    """Atoms and bonds of one geometry (25, 3), looked at across the line between the carbons."""
    flat = _side_view(positions)
    radii = np.array([RADII[int(number)] for number in NUMBERS])
    away = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    for i, j in np.argwhere(np.triu(away < 1.25 * (radii[:, None] + radii), 1)):
        axes.plot(*flat[[i, j], :2].T, color="#999999", lw=2.0, zorder=1)
    for carbon in (DONOR, ACCEPTOR):
        axes.plot(*flat[[carbon, MOVING], :2].T, ":", color=RED, lw=1.5, zorder=1)
    for atom in np.argsort(flat[:, 2]):
        kind = int(NUMBERS[atom])
        colour = RED if atom == MOVING else COLOURS[kind]
        size = 320.0 * RADII[kind] ** 2
        at = flat[atom, :2]
        axes.scatter(*at, s=size, color=colour, edgecolor=GREY, lw=0.6, zorder=2 + atom / 100)
    axes.set(aspect="equal")
    axes.axis("off")


def _side_view(positions: FloatArray) -> FloatArray:
    """Turned so that the line of the carbons is upright and the fragments lie as wide as can be."""
    centred = positions - 0.5 * (positions[DONOR] + positions[ACCEPTOR])
    up = centred[ACCEPTOR] / np.linalg.norm(centred[ACCEPTOR])
    level = centred - np.outer(centred @ up, up)
    wide = np.linalg.svd(level, full_matrices=False)[2][0]
    return np.asarray(centred @ np.stack([wide, up, np.cross(wide, up)]).T)


def _plain(axes: Any) -> None:
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
