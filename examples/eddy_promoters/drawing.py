"""The pictures of this example: the Pareto front, the search for the optimum, fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lattice import Floats
from numpy.typing import NDArray
from problem import LENGTH, bodies

BLUE, ORANGE, GREEN, GREY = "#1f6fb4", "#d1720f", "#2c8a4b", "#999999"


def front(drag: Floats, heat: Floats) -> NDArray[np.int64]:
    """Rows that no other beats in both: less drag, more heat; by rising drag."""
    order = np.lexsort((-heat, drag))
    most = np.maximum.accumulate(heat[order])
    return order[heat[order] > np.r_[-np.inf, most[:-1]]]


def figure(width: float, height: float) -> Any:
    """An empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def plain(axes: Any) -> None:
    """Take away the frame's upper and right sides."""
    axes.spines[["top", "right"]].set_visible(False)


class Front(NamedTuple):
    """The Pareto front that was found; gains are ``ln(f/f0)`` and ``St/St0``.

    Attributes:
        asked: ``(n, 2)`` gains of the campaign's labels.
        mean, std: ``(m, 2)`` gains of the designs on the front, by the committee, by rising drag.
        checked: ``(k, 4)`` predicted, then true gains of some of them.
    """

    asked: Floats
    mean: Floats
    std: Floats
    checked: Floats


def draw_pareto(found: Front, grid: Floats, path: Path) -> None:
    """Heat transfer against drag, both against the empty channel.

    Args:
        found: The front.
        grid: ``(n, 2)`` gains of the dense grid.
        path: Where to.
    """
    asked, checked = found.asked, found.checked
    made = figure(6.4, 4.4)
    axes = made.subplots()
    axes.plot(np.exp(grid[:, 0]), grid[:, 1], ".", ms=3, color=GREY, label="dense grid (oracle)")
    axes.plot(np.exp(asked[:, 0]), asked[:, 1], "o", ms=3.5, mfc="none", color=BLUE, label="asked")
    drag, heat, doubt = np.exp(found.mean[:, 0]), found.mean[:, 1], 2.0 * found.std[:, 1]
    axes.fill_between(drag, heat - doubt, heat + doubt, color=ORANGE, alpha=0.2, lw=0)
    axes.plot(drag, heat, color=ORANGE, lw=1.5, label="front by the committee, ± 2 std")
    axes.plot(
        np.exp(checked[:, 2]), checked[:, 3], "D", ms=5, color=GREEN, label="of it, by the oracle"
    )
    ends = np.stack([np.exp(checked[:, [0, 2]]), checked[:, [1, 3]]])
    axes.plot(*ends.transpose(0, 2, 1), color=GREEN, lw=0.7)
    axes.plot(1.0, 1.0, "k+", ms=10, label="empty channel")
    axes.set(xlabel="drag, f / f$_0$", ylabel="heat transfer, St / St$_0$", xscale="log")
    axes.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    plain(axes)
    made.savefig(path)


def draw_search(worths: Floats, most: float, calls: int, path: Path) -> None:
    """The best label so far, call by call, and the best of the dense grid.

    Args:
        worths: ``(n,)`` of the campaign's labels, in the order in which they came.
        most: The greatest of the grid.
        calls: Of the grid.
        path: Where to.
    """
    made = figure(5.4, 3.2)
    axes = made.subplots()
    number = np.arange(1, len(worths) + 1)
    axes.plot(number, worths, "o", ms=3, color=BLUE, alpha=0.5, label="asked")
    axes.step(number, np.maximum.accumulate(worths), where="post", color=BLUE, label="best so far")
    axes.axhline(most, color=GREY, ls="--", lw=1.0, label=f"best of the grid's {calls}")
    axes.set(xlabel="calls of the oracle", ylabel="worth")
    axes.set_ylim(max(worths.min(), most - 0.5), most + 0.05)
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    plain(axes)
    made.savefig(path)


Shown = Sequence[tuple[str, Callable[[Floats], Floats], str, tuple[float, float] | None]]
SHOWN: Shown = (
    ("speed / U", lambda fields: np.hypot(fields[0], fields[1]), "viridis", None),
    ("temperature", lambda fields: fields[2], "inferno", (0.0, 1.0)),
)


def draw_fields(
    design: Sequence[float], oracle: Floats, said: Floats, doubt: Floats, path: Path
) -> None:
    """Speed and temperature of a design: the oracle's, the network's, and the difference.

    Args:
        design: As in ``problem.py``.
        oracle: ``(3, rows, columns)``.
        said: Likewise, by the network.
        doubt: Its standard deviation; it is not drawn where it is nought, of a single network.
        path: Where to.
    """
    rows = oracle.shape[1]
    height = 4 if doubt.any() else 3
    made = figure(10.0, 1.15 * height)
    axes = made.subplots(height, 2, sharex=True, sharey=True)
    for column, (name, of, colours, limits) in enumerate(SHOWN):
        true, own = of(oracle), of(said)
        low, high = limits or (0.0, float(true.max()))
        away = own - true
        widest = max(float(np.abs(away).max()), 1e-12)
        spread = np.sqrt((doubt[:2] ** 2).sum(axis=0)) if column == 0 else doubt[2]
        parts = (
            (f"{name}: lattice Boltzmann", true, colours, low, high),
            ("convolutional network", own, colours, low, high),
            ("network less oracle", away, "RdBu_r", -widest, widest),
            ("the committee's standard deviation", spread, "Greys", 0.0, widest),
        )
        for axis, part in zip(axes[:, column], parts, strict=False):
            _image(made, axis, bodies(design, rows), part)
    for axis in axes[-1]:
        axis.set_xlabel("x / H")
    made.savefig(path)


def _image(made: Any, axes: Any, circles: Any, part: tuple[str, Floats, str, float, float]) -> None:
    from matplotlib.patches import Circle

    title, values, colours, low, high = part
    rows = values.shape[0]
    extent = (0.0, LENGTH, 0.0, 1.0)
    shown = axes.imshow(values, colours, origin="lower", extent=extent, vmin=low, vmax=high)
    for one in circles:
        centre = one.x / rows, one.y / rows
        axes.add_patch(Circle(centre, one.radius / rows, fc="0.75", ec="0.3", lw=0.6))
    axes.set_title(title, fontsize=8, loc="left")
    axes.set_yticks([0, 1])
    made.colorbar(shown, ax=axes, pad=0.01, aspect=8).ax.tick_params(labelsize=7)
