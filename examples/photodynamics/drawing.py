"""The pictures of one of Tully's models: populations against momentum, and the learned surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from tully import BOHR, SIDE, Exits, adiabatic, exact

from querist import Batch, model_of
from querist.campaign.campaign import RunResult

if TYPE_CHECKING:
    from check import Row

mpl.use("Agg")
import matplotlib.pyplot as plt

COLORS = ("#1b6ca8", "#c8553d", "#5b8c5a", "#8e6c8a")
NAMES = ("through, lower", "through, upper", "back, lower", "back, upper")


def draw(model: str, rows: list[Row], result: RunResult) -> list[str]:
    """Write both pictures into the run folder; returns their paths."""
    return [populations(model, rows, result), surfaces(model, result)]


def populations(model: str, rows: list[Row], result: RunResult) -> str:
    """Shares of the four ways out against momentum: learned, true, exact quantum dynamics."""
    low, high = min(row.momentum for row in rows), max(row.momentum for row in rows)
    fine = np.linspace(low, high, 13)
    quantum = np.array([exact(model, momentum) for momentum in fine])
    figure, axes = plt.subplots(figsize=(7, 4.2), constrained_layout=True)
    for way in range(len(Exits._fields)):
        shares = np.array([row.learned.shares[way] for row in rows])
        if quantum[:, way].max() < 0.01 and shares.max() < 0.01:
            continue
        color, momenta = COLORS[way], [row.momentum for row in rows]
        axes.plot(fine, quantum[:, way], color=color, lw=1.2, label=NAMES[way])
        true = [row.true.shares[way] for row in rows]
        axes.plot(momenta, true, "s", color=color, ms=9, mfc="none")
        spread = [np.sqrt(p * (1 - p) / rows[0].learned.count) for p in shares]
        axes.errorbar(momenta, shares, 2 * np.array(spread), fmt="o", color=color, ms=4)
    axes.plot([], [], "k-", lw=1.2, label="exact quantum dynamics")
    axes.plot([], [], "ks", mfc="none", ms=9, label="hopping on the true surfaces")
    axes.plot([], [], "ko", ms=4, label="hopping on the learned surfaces")
    axes.set(xlabel="momentum (atomic units)", ylabel="share of trajectories", ylim=(-0.03, 1.03))
    axes.set_title(f"Tully's model: {model}; {len(result.dataset())} oracle calls")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    path = result.folder / "populations.png"
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return str(path)


def surfaces(model: str, result: RunResult) -> str:
    """Energies and coupling, learned and true, with the places that were asked."""
    x = np.linspace(-SIDE, SIDE, 400) * BOHR
    true, learned = adiabatic(model, x), model_of(result.folder)
    said = learned.predict(Batch.stack(positions=x[:, None]))
    asked = result.dataset().inputs["positions"][:, 0]
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(7, 5), sharex=True, constrained_layout=True, height_ratios=(2, 1)
    )
    for state in range(2):
        top.plot(x, true.energies[:, state], color="0.6", lw=4)
        middle, spread = said.mean["energies"][:, state], said.std["energies"][:, state]
        top.plot(x, middle, color=COLORS[state], lw=1.2, label=("lower", "upper")[state])
        top.fill_between(
            x, middle - 2 * spread, middle + 2 * spread, color=COLORS[state], alpha=0.3
        )
    top.plot([], [], color="0.6", lw=4, label="true")
    top.plot(asked, np.full(len(asked), true.energies.min()), "k|", ms=8, label="asked")
    bottom.plot(x, abs(true.couplings[:, 0, 0]), color="0.6", lw=4)
    bottom.plot(x, abs(said.mean["couplings"][:, 0, 0]), color=COLORS[2], lw=1.2)
    top.set(ylabel="energy (eV)")
    top.legend(fontsize=8, frameon=False)
    bottom.set(xlabel="x (Å)", ylabel="|coupling| (eV/Å)")
    path = result.folder / "surfaces.png"
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return str(path)
