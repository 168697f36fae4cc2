"""Pictures of the molecule: torsion scan, held-out answers, populations, frames of a hop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from diabatic import DiabaticCommittee
from numpy.typing import NDArray
from voyage import Voyage, lifetime, torsion

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch

mpl.use("Agg")
import matplotlib.pyplot as plt

Floats = NDArray[np.float64]
COLORS = ("#1b6ca8", "#c8553d", "#7a9a3a")
STATES = ("S0", "S1", "S2")
ATOMS = ("0.35", "#1b6ca8", "0.8", "0.8", "0.8", "0.8")
BONDS = ((0, 1), (0, 2), (0, 3), (1, 4), (1, 5))


def draw(
    folder: Path,
    labels: Dataset,
    model: DiabaticCommittee,
    scan: tuple[Floats, Floats],
    one: Voyage,
) -> list[str]:
    """Write both pictures into a folder; returns their paths."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), constrained_layout=True)
    _scan(axes[0], model, scan)
    _held_out(axes[1], labels, model)
    _populations(axes[2], one)
    paths = [folder / "molecule.png", folder / "hop.png"]
    figure.savefig(paths[0], dpi=110)
    plt.close(figure)
    _frames(paths[1], one)
    return [str(path) for path in paths]


def _scan(axes: Any, model: DiabaticCommittee, scan: tuple[Floats, Floats]) -> None:
    said = model.predict(Batch.stack(positions=scan[0]))
    angles = torsion(scan[0])
    lowest = scan[1].min()
    for state in range(3):
        axes.plot(angles, scan[1][:, state] - lowest, "s", color=COLORS[state], mfc="none")
        middle, spread = said.mean["energies"][:, state], said.std["energies"][:, state]
        axes.plot(angles, middle - lowest, color=COLORS[state])
        low, high = middle - lowest - 2 * spread, middle - lowest + 2 * spread
        axes.fill_between(angles, low, high, color=COLORS[state], alpha=0.25)
    axes.plot([], [], "ks", mfc="none", label="oracle")
    axes.plot([], [], "k-", label="learned, 2 deviations")
    axes.set(xlabel="torsion (degrees)", ylabel="energy (eV)")
    axes.legend(fontsize=8, frameon=False)


def _held_out(axes: Any, labels: Dataset, model: DiabaticCommittee) -> None:
    rows = labels.only(Purpose.HOLDOUT)
    said, true = model.predict(rows.inputs).mean["energies"], rows.outputs["energies"]
    lowest = true.min()
    for state in range(3):
        axes.plot(true[:, state] - lowest, said[:, state] - lowest, ".", color=COLORS[state])
    limits = [0, float(true.max() - lowest)]
    axes.plot(limits, limits, color="0.6", lw=1)
    axes.set(xlabel="oracle, held out (eV)", ylabel="learned (eV)")


def _populations(axes: Any, one: Voyage) -> None:
    life = lifetime(one, 1)
    for state, name in enumerate(STATES):
        inside = (one.active == state) & (np.isfinite(one.gaps) | (one.active == 0))
        axes.step(one.times, inside.mean(axis=1), color=COLORS[state], label=name)
    axes.step(one.times, one.excited.mean(axis=1), "k", lw=1, label="excited, whole")
    axes.axhline(np.exp(-1), color="0.6", lw=1)
    if np.isfinite(life.low):
        axes.axvspan(life.low, min(life.high, one.times[-1]), color="0.85")
    axes.set(xlabel="time (fs)", ylabel="share of the molecules", ylim=(0, 1.03))
    axes.legend(fontsize=8, frameon=False)
    axes.set_title(f"{one.active.shape[1]} trajectories", fontsize=9)


def _frames(path: Path, one: Voyage) -> None:
    """Seven moments about the first hop to S0 of the molecule that makes it at the median time."""
    hops = ((np.diff(one.active, axis=0) < 0) & (one.active[1:] == 0)).argmax(axis=0)
    hopped = np.flatnonzero(hops > 0)
    if not len(hopped):
        hops, hopped = np.full(len(hops), len(one.times) // 2), np.arange(len(hops))
    who = hopped[np.argsort(hops[hopped])[len(hopped) // 2]]
    last = int(np.flatnonzero(np.isfinite(one.gaps[:, who]))[-1])
    at = np.linspace(0, min(2 * hops[who], last), 7).astype(int)
    figure, axes = plt.subplots(1, 7, figsize=(11, 2.4), constrained_layout=True)
    for place, moment in zip(axes, at, strict=True):
        frame = _level(one.positions[moment, who])
        for first, second in BONDS:
            place.plot(*frame[[first, second]][:, [2, 1]].T, color="0.5", lw=2, zorder=1)
        place.scatter(frame[:, 2], frame[:, 1], s=90, c=ATOMS, edgecolors="k", zorder=2)
        place.set(xlim=(-2.2, 2.2), ylim=(-1.8, 1.8), aspect="equal", xticks=[], yticks=[])
        state = STATES[one.active[moment, who]]
        angle = torsion(one.positions[moment, who])
        gap = one.gaps[moment, who]
        place.set_title(
            f"{one.times[moment]:.0f} fs, {state}\ngap {gap:.1f} eV, {angle:.0f}°", fontsize=8
        )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _level(frame: Floats) -> Floats:
    """``(6, 3)`` with the bond along z and the line of the CH2 hydrogens nearly along y."""
    bond = frame[1] - frame[0]
    z = bond / np.linalg.norm(bond)
    line = frame[3] - frame[2]
    y = line - (line @ z) * z
    y /= np.linalg.norm(y)
    turned: Floats = (frame - frame.mean(axis=0)) @ np.stack([np.cross(y, z), y, z]).T
    return turned
