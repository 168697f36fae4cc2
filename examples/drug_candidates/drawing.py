"""Pictures of a search: the share of the best that was found, and the best molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from molecules import rdkit
from numpy.typing import NDArray

COLOURS = {
    "random": "#888888",
    "diverse": "#c9a227",
    "greedy": "#2d8a4e",
    "ucb": "#1f6fb4",
    "thompson": "#b4332a",
}


def draw_recall(recall: Mapping[str, NDArray[np.float64]], size: int, path: Path) -> None:
    """The share of the best found against the share docked: mean and quartiles over seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=130, layout="constrained")
    axes = figure.subplots()
    for name, rows in recall.items():
        x = np.arange(1, rows.shape[1] + 1) / size
        low, high = np.quantile(rows, (0.25, 0.75), axis=0)
        axes.fill_between(x, low, high, color=COLOURS[name], alpha=0.18, lw=0)
        axes.plot(x, rows.mean(axis=0), color=COLOURS[name], label=name)
    (some, *_) = recall.values()
    axes.set(xlabel=f"share of {size} molecules docked", ylabel="share of the best 20 found")
    axes.set(xlim=(0, some.shape[1] / size), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title=f"mean and quartiles, {len(some)} seeds", loc="center right")
    figure.savefig(path)


def draw_molecules(smiles: Sequence[str], legends: Sequence[str], path: Path) -> None:
    """Molecules in a grid, four in a row."""
    chem, draw = rdkit("Chem"), rdkit("Chem.Draw")
    shown = [chem.MolFromSmiles(one) for one in smiles]
    png = draw.MolsToGridImage(
        shown, molsPerRow=4, subImgSize=(240, 190), legends=list(legends), returnPNG=True
    )
    path.write_bytes(png if isinstance(png, bytes) else png.data)
