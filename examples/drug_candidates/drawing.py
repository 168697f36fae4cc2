"""Pictures of a search: the share of the best that was found, and the best molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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

    figure = Figure(figsize=(8.0, 3.8), dpi=130, layout="constrained")
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
    axes.legend(
        frameon=False,
        title=f"mean and quartiles,\n{len(some)} seeds",
        loc="center left",
        bbox_to_anchor=(1, 0.5),
    )
    figure.savefig(path)


def draw_molecules(smiles: Sequence[str], legends: Sequence[str], path: Path) -> None:
    """Molecules in a grid, four in a row."""
    chem, draw = rdkit("Chem"), rdkit("Chem.Draw")
    shown = [chem.MolFromSmiles(one) for one in smiles]
    png = draw.MolsToGridImage(
        shown, molsPerRow=4, subImgSize=(240, 190), legends=list(legends), returnPNG=True
    )
    path.write_bytes(png if isinstance(png, bytes) else png.data)


def draw_hosts(hosts: Sequence[str], values: NDArray[np.float64], path: Path) -> None:
    """Affinities in each host against those in the first, a point a molecule.

    A docking that failed, and gained next to nothing, may lie outside of the picture.
    """
    from matplotlib.figure import Figure

    count = len(hosts) - 1
    figure = Figure(figsize=(3.1 * count, 3.2), dpi=130, layout="constrained")
    span = np.quantile(values, 0.002) - 0.2, values.max() + 0.2
    for place, axes in enumerate(np.atleast_1d(figure.subplots(1, count)), start=1):
        axes.plot(span, span, color="#bbbbbb", lw=0.8)
        axes.plot(values[:, 0], values[:, place], ".", ms=4, color="#1f6fb4", alpha=0.6)
        for host, colour in ((0, "#2d8a4e"), (place, "#b4332a")):
            best = int(values[:, host].argmax())
            label = f"best for {hosts[host]}"
            axes.plot(values[best, 0], values[best, place], "o", ms=7, mfc="none", color=colour)
            axes.plot([], [], "o", ms=7, mfc="none", color=colour, label=label)
        axes.set(xlabel=f"{hosts[0]}, kcal/mol gained", ylabel=f"{hosts[place]}, kcal/mol gained")
        axes.set(xlim=span, ylim=span, aspect="equal")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=7, loc="upper left")
    figure.savefig(path)


def draw_parts(
    changes: Mapping[str, Sequence[Sequence[float]]], hosts: Sequence[str], path: Path
) -> None:
    """What parts of molecules gain in each host over the first, with standard errors."""
    from matplotlib.figure import Figure

    names = list(changes)
    told = np.array([changes[name] for name in names])
    figure = Figure(figsize=(1.9 + 1.05 * len(hosts), 6.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    most = float(np.abs(told[..., 0]).max())
    shown = axes.imshow(told[..., 0], cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    for row, column in np.ndindex(told.shape[:2]):
        mean, error = told[row, column]
        text = f"{mean:+.2f} ± {error:.2f}"
        colour = "white" if abs(mean) > 0.65 * most else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(hosts)), hosts, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for line in (9.5, 14.5):  # heads, linkers, tails
        axes.axhline(line, color="black", lw=0.8)
    figure.colorbar(shown, label="kcal/mol gained over the wild type")
    figure.savefig(path)


def draw_fidelities(
    known: Mapping[int, Mapping[int, tuple[float, float]]], labels: Sequence[str], path: Path
) -> None:
    """The cheap answer's energy against the dear one's, and what each took."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.6, 3.1), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    y, x = (np.array(list(table.values())) for _, table in sorted(known.items()))
    span = min(x[:, 0].min(), y[:, 0].min()) - 0.2, max(x[:, 0].max(), y[:, 0].max()) + 0.2
    left.plot(span, span, color="#bbbbbb", lw=0.8)
    left.plot(x[:, 0], y[:, 0], ".", ms=4, color="#1f6fb4", alpha=0.6)
    left.set(xlabel=f"{labels[1]}, kcal/mol", ylabel=f"{labels[0]}, kcal/mol")
    left.set(xlim=span, ylim=span, aspect="equal")
    bins = np.geomspace(min(x[:, 1].min(), y[:, 1].min()), max(x[:, 1].max(), y[:, 1].max()), 40)
    for seconds, label, colour in zip((y, x), labels, ("#2d8a4e", "#b4332a"), strict=True):
        right.hist(seconds[:, 1], bins, color=colour, alpha=0.6, label=label)
    right.set(xscale="log", xlabel="processor seconds of an answer", ylabel="molecules")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def draw_funnel(told: Mapping[str, Any], host: str, path: Path) -> None:
    """The share of the best found against seconds spent, with cheap answers first and without."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.1), dpi=130, layout="constrained")
    axes = figure.subplots()
    names = [name for name in told if name != "grid"]
    for name, colour in zip(names, ("#b4332a", "#1f6fb4", "#2d8a4e"), strict=True):
        rows = np.array(told[name]["recall"])
        low, high = np.quantile(rows, (0.25, 0.75), axis=0)
        axes.fill_between(told["grid"], low, high, color=colour, alpha=0.18, lw=0)
        label = "dear ones alone" if name == "0%" else f"cheap ones first, {name}"
        axes.plot(told["grid"], rows.mean(axis=0), color=colour, label=label)
    axes.set(xlabel="seconds spent, of those of all dear answers", ylabel="best 20 found")
    axes.set(xlim=(0, told["grid"][-1]), ylim=(0, 1.02), title=host)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    figure.savefig(path)


def draw_pose(crystal: object, pose: object, near: NDArray[np.float64], path: Path) -> None:
    """The docked pose on the crystal's, along two axes, with atoms of the host around them.

    Args:
        crystal: A molecule of RDKit with a conformer.
        pose: Likewise.
        near: Positions of heavy atoms of the host near them, in Angstrom (n, 3).
        path: Of the picture.
    """
    from matplotlib.figure import Figure

    chem = rdkit("Chem")
    figure = Figure(figsize=(8.4, 2.9), dpi=130, layout="constrained")
    shown = [chem.RemoveHs(one) for one in (crystal, pose)]
    middle = shown[0].GetConformer().GetPositions().mean(axis=0)
    _, _, axes3 = np.linalg.svd(shown[0].GetConformer().GetPositions() - middle)
    for axes, (first, second) in zip(figure.subplots(1, 2), ((0, 1), (0, 2)), strict=True):
        turned = (near - middle) @ axes3.T
        axes.scatter(turned[:, first], turned[:, second], s=9, color="#cfcfcf", lw=0)
        for one, colour, label in zip(
            shown, ("#2d8a4e", "#b4332a"), ("crystal", "docked"), strict=True
        ):
            places = (one.GetConformer().GetPositions() - middle) @ axes3.T
            for bond in one.GetBonds():
                ends = places[[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]]
                axes.plot(ends[:, first], ends[:, second], color=colour, lw=2, alpha=0.8)
            axes.plot([], [], color=colour, lw=2, label=label)
        axes.set(aspect="equal", xlabel="Å", ylabel="Å")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, loc="upper left")
    figure.savefig(path)
