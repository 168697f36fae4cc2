"""The energy along the proton transfer, as a picture and as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from molecule import KCAL_PER_MOL, FloatArray
from scipy.interpolate import CubicSpline

BLUE, GREY = "#1f6fb4", "#222222"
WIDTH, HEIGHT = 64, 15
"""Of the text plot's area, in characters."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Energies along the transfer coordinate, relative to each surface's own minimum.

    Attributes:
        coordinate: O-H distance on the left minus that on the right (k,), in Angstrom, ascending.
        oracle: (k,) in kcal/mol.
        surrogate: (k,) in kcal/mol, the committee's mean.
        spread: The committee's standard deviation (k,), in kcal/mol.
        oracle_barrier: In kcal/mol.
        surrogate_barrier: In kcal/mol.
    """

    coordinate: FloatArray
    oracle: FloatArray
    surrogate: FloatArray
    spread: FloatArray
    oracle_barrier: float
    surrogate_barrier: float

    def as_lists(self) -> dict[str, list[float] | float]:
        """For JSON."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(self).items()
        }


def draw(profile: Profile, path: Path, level: str) -> None:
    """Write the profile as a picture: energies above, surrogate minus oracle below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 6.0), dpi=150, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    _energies(upper, profile, level)
    _difference(lower, profile)
    figure.savefig(path)


def _energies(axes, profile: Profile, level: str) -> None:  # type: ignore[no-untyped-def]
    fine = np.linspace(profile.coordinate[0], profile.coordinate[-1], 400)
    curve = CubicSpline(profile.coordinate, profile.surrogate)(fine)
    said, true = profile.surrogate_barrier, profile.oracle_barrier
    axes.plot(fine, curve, color=BLUE, lw=2, label=f"surrogate, barrier {said:.2f} kcal/mol")
    axes.plot(
        profile.coordinate,
        profile.oracle,
        "o",
        color=GREY,
        ms=5.5,
        mfc="white",
        mew=1.4,
        label=f"{level}, barrier {true:.2f} kcal/mol",
    )
    axes.set_ylabel("energy above the minimum / kcal mol⁻¹")
    axes.set_ylim(-0.25, 1.35 * max(profile.oracle.max(), profile.surrogate.max()))
    axes.set_title("Proton transfer in malonaldehyde", loc="left", fontsize=12)
    axes.legend(frameon=False, loc="upper center", ncols=2)
    well, height = max(-0.8, float(fine[curve[:200].argmin()])), 0.26 * float(curve.max())
    axes.text(well, height, "O–H···O", ha="center", fontsize=9, color=GREY)
    axes.text(-well, height, "O···H–O", ha="center", fontsize=9, color=GREY)
    _plain(axes)


def _difference(axes, profile: Profile) -> None:  # type: ignore[no-untyped-def]
    milli = 1000.0 * KCAL_PER_MOL
    away = milli * (profile.surrogate - profile.oracle)
    band = milli * profile.spread
    axes.axhline(0.0, color=GREY, lw=0.8)
    axes.fill_between(
        profile.coordinate,
        away - 2 * band,
        away + 2 * band,
        color=BLUE,
        alpha=0.2,
        lw=0,
        label="committee, ± 2 standard deviations",
    )
    axes.plot(profile.coordinate, away, "o-", color=BLUE, ms=3, lw=1.2)
    axes.margins(y=0.35)
    axes.set_ylabel("surrogate\nminus oracle / meV")
    axes.set_xlabel("transfer coordinate  d(O–H left) − d(O–H right) / Å")
    axes.legend(frameon=False, loc="upper center", fontsize=9)
    _plain(axes)


def _plain(axes) -> None:  # type: ignore[no-untyped-def]
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def text_plot(profile: Profile, level: str) -> str:
    """The profile for a terminal: the surrogate as a line of dots, the oracle as circles."""
    left, right = float(profile.coordinate[0]), float(profile.coordinate[-1])
    top = 1.1 * float(max(profile.oracle.max(), profile.surrogate.max()))
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]

    def put(x: float, y: float, mark: str) -> None:
        column = round((x - left) / (right - left) * (WIDTH - 1))
        row = HEIGHT - 1 - round(min(max(y / top, 0.0), 1.0) * (HEIGHT - 1))
        grid[row][column] = mark

    columns = np.linspace(left, right, 4 * WIDTH)
    for x, y in zip(
        columns, CubicSpline(profile.coordinate, profile.surrogate)(columns), strict=True
    ):
        put(float(x), float(y), ".")
    for x, y in zip(profile.coordinate, profile.oracle, strict=True):
        put(float(x), float(y), "o")
    lines = [f"energy, kcal/mol        o {level}    . surrogate"]
    for index, cells in enumerate(grid):
        value = top * (1.0 - index / (HEIGHT - 1))
        label = f"{value:5.1f}" if index % 2 == 0 else "     "
        lines.append(f"{label} |{''.join(cells).rstrip()}")
    lines.append("      +" + "-" * WIDTH)
    middle = "0"
    axis = f"{left:<+6.2f}{middle:^{WIDTH - 12}}{right:>+6.2f}"
    lines.append("       " + axis)
    lines.append("       transfer coordinate d(O-H left) - d(O-H right), Å")
    return "\n".join(lines)
