"""The real runs: settings of a simulation, whether they were good ones, and what they took.

3,196 molecular-dynamics runs of counter-ions around a polarizable nanoparticle, of Kadupitiya, Fox
& Jadhao ("Machine learning for parameter auto-tuning in molecular dynamics simulations: efficient
dynamics of ions near polarizable nanoparticles", arXiv 1910.14620). The induced charge on the
particle follows the ions by a Car-Parrinello-like dynamics, whose settings (grid points, fictitious
mass, fictitious temperature) decide whether the run is stable and accurate ("good"), depending on
the physics (the two permittivities, the charge of the particle, the valency of the ions).
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WHERE = "QUERIST_NP_RUNS"
LACKING = f"""The table of real runs is not here. It comes from the repository
softmaterialslab/np-electrostatics-lab on GitHub (the data of arXiv 1910.14620, some 300 KB of CSV).
Its columns: epsilon_in(e), epsilon_out(E), nanoparticle_charge(V), counterion_valency(v),
total_gridpoints(g), cpmd_fake_mass(M), fake_temperature(k), R, R_v, FD, Good(1)/Bad(0), Time.
Name the file with --runs FILE.csv, or in the environment as {WHERE}."""
INPUTS = ("epsilon_in", "epsilon_out", "charge", "valency", "grid_points", "mass", "temperature")
LOGARITHMIC = ("grid_points", "mass", "temperature")
_TIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?([\d.]+)s")


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Runs that were made, one a row.

    Attributes:
        inputs: ``(n, 7)`` float64, by the names in ``INPUTS``; the logarithm of those in
            ``LOGARITHMIC``.
        good: ``(n,)`` bool.
        hours: ``(n,)`` float64, wall time of the simulation in hours, above zero.
    """

    inputs: NDArray[np.float64]
    good: NDArray[np.bool_]
    hours: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.good)


def find(named: str | None) -> Path | None:
    """The table that an option or the environment names; None where neither does.

    Raises:
        SystemExit: If it is named and not there.
    """
    text = named or os.environ.get(WHERE, "")
    if not text:
        return None
    path = Path(text)
    if not path.is_file():
        raise SystemExit(f"{path} is not a file.\n{LACKING}")
    return path


def load(path: Path) -> Runs:
    """Read the table.

    Raises:
        SystemExit: If a row is not as expected, with its line.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    try:
        inputs = np.array([[float(cell) for cell in row[:7]] for row in rows])
        good = np.array([int(row[10]) == 1 for row in rows])
        hours = np.array([seconds(row[11]) for row in rows]) / 3600.0
    except (ValueError, IndexError) as error:
        told = f"{path} is not the table that was expected: {error}"
        raise SystemExit(f"{told}\n{LACKING}") from error
    for name in LOGARITHMIC:
        inputs[:, INPUTS.index(name)] = np.log(inputs[:, INPUTS.index(name)])
    return Runs(inputs, good, hours)


def seconds(text: str) -> float:
    """A time as the shell's ``time`` prints it: "5h12m3.25s", "9m44.559s".

    Raises:
        ValueError: If it is no such time.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time such as 9m44.559s")
    return 3600.0 * int(found[1] or 0) + 60.0 * int(found[2] or 0) + float(found[3])


def made_up(count: int = 3000, seed: int = 0) -> Runs:
    """A table of the same shape for where the real one is lacking: invented, no physics.

    Good settings lie where three settings fit each other and the rest, about 8 %; finer grids take
    longer, as in the real table.
    """
    rng = np.random.default_rng(seed)
    inputs = np.column_stack(
        [
            rng.choice([2.0, 160.0], count),
            rng.choice([10.0, 78.5, 150.0], count),
            rng.choice([-90.0, -60.0, -20.0], count),
            rng.choice([1.0, 2.0, 3.0], count),
            np.log(rng.choice([132.0, 372.0, 1692.0], count)),
            np.log(rng.choice([1.0, 2.0, 5.0, 10.0, 25.0, 36.0, 50.0, 100.0], count)),
            np.log(rng.choice([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1], count)),
        ]
    )
    grid, mass, temperature = inputs[:, 4], inputs[:, 5], inputs[:, 6]
    fit = mass - 0.6 * grid + 0.3 * inputs[:, 3] - 0.004 * inputs[:, 0] + 0.3
    good = (np.abs(fit) < 0.55) & (temperature > -5.5) & (inputs[:, 1] > 20.0)
    hours = np.exp(0.95 * (grid - 5.0) + 0.08 * rng.standard_normal(count)) * 0.5
    return Runs(inputs, good, hours)
