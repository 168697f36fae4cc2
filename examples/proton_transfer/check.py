"""Proves what a run of this example has learned: ``python check.py RUN [--quick]``.

Everything that the surrogate is compared with is computed here and now by the oracle of the run's
own configuration; nothing is read from a table. Prints wanted against got, writes ``check.json``
and ``profile.png`` into the run's folder, and ends with exit code 1 and a sentence if anything
fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from drawing import Profile, draw
from molecule import (
    KCAL_PER_MOL,
    PROTON,
    TRANSITION_STATE,
    FloatArray,
    find_minimum,
    find_transition_state,
    oxygen_distance,
    transfer_coordinate,
)
from scipy.stats import spearmanr
from surfaces import (
    CommitteeSurface,
    OracleSurface,
    Schedule,
    Surface,
    aligned_rmsd,
    dynamics,
    relaxed_scan,
    single,
)

from querist.campaign.campaign import Campaign
from querist.core.errors import QueristError
from querist.core.roles import Oracle
from querist.oracles.xtb import xtb
from querist.testing.checks import Row, below, finish, save

BARRIER_WITHIN = 0.3
"""kcal/mol."""
FORCES_BELOW = 50.0
"""Mean absolute error of a force component, in meV/A."""
RMSD_BELOW = 0.05
"""Of a minimum, in Angstrom."""
FLUCTUATION_BELOW, DRIFT_BELOW = 1.0, 1.0
"""Of the total energy: standard deviation in meV, slope in meV/ps. At 300 K the nine atoms have a
kinetic energy of 350 meV; velocity Verlet with 0.25 fs itself fluctuates by 0.05 meV."""
RANK_ABOVE = 0.5
"""Spearman's correlation of disagreement and true error."""

TEMPERATURES = (300.0, 500.0, 1000.0)
COORDINATES = np.linspace(-0.95, 0.95, 21)
SEED = 20_000
"""Of everything drawn here; a campaign's walkers never use it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the check's trajectories are.

    Attributes:
        steps: Of 0.5 fs, each of the six walkers on GFN2-xTB.
        skip: Of these, for equilibration.
        stride: Every how many steps a frame is kept.
        relabel: Frames that are asked again where the run's oracle is not GFN2-xTB.
        nve: Femtoseconds without a thermostat on the surrogate.
    """

    steps: int = 900
    skip: int = 300
    stride: int = 12
    relabel: int = 90
    nve: float = 500.0


FULL, QUICK = Effort(), Effort(steps=500, skip=200, stride=10, relabel=30, nve=250.0)


@dataclass(frozen=True, slots=True)
class Stationary:
    """Stationary points of one surface: energies in eV, positions (9, 3) in Angstrom."""

    left: FloatArray
    right: FloatArray
    saddle: FloatArray
    minimum_energy: float
    saddle_energy: float

    @property
    def barrier(self) -> float:
        """In kcal/mol."""
        return (self.saddle_energy - self.minimum_energy) / KCAL_PER_MOL


def stationary_points(surface: Surface, rng: np.random.Generator) -> Stationary:
    """Find both minima and the saddle between them.

    The search for each minimum begins at the transition state, with the proton 0.15 A to one side
    and all atoms displaced at random by 0.02 A, so that no minimum is given away.
    """
    one = single(surface)
    ends = []
    for side in (-1.0, 1.0):
        start = TRANSITION_STATE + rng.normal(scale=0.02, size=TRANSITION_STATE.shape)
        start[PROTON, 0] += side * 0.15
        ends.append(find_minimum(one, start))
    start = TRANSITION_STATE + rng.normal(scale=0.02, size=TRANSITION_STATE.shape)
    saddle_energy, saddle = find_transition_state(one, start)
    (left_energy, left), (right_energy, right) = ends
    return Stationary(left, right, saddle, min(left_energy, right_energy), saddle_energy)


def barrier_rows(said: Stationary, true: Stationary) -> list[Row]:
    """The barrier and both minima."""
    away = abs(said.barrier - true.barrier)
    wanted = f"{true.barrier:.3f} ± {BARRIER_WITHIN}"
    rows = [Row("barrier, kcal/mol", wanted, f"{said.barrier:.3f}", away < BARRIER_WITHIN)]
    pairs = (("left", said.left, true.left, -1), ("right", said.right, true.right, 1))
    for side, found, known, sign in pairs:
        rmsd = aligned_rmsd(found, known)
        ok = rmsd < RMSD_BELOW and sign * float(transfer_coordinate(found)) > 0
        quantity = f"minimum with the proton {side}: RMSD, Å"
        rows.append(Row(quantity, f"< {RMSD_BELOW}", f"{rmsd:.4f}", ok))
    return rows


@dataclass(frozen=True, slots=True)
class Frames:
    """Independent labelled geometries: positions and forces (k, 9, 3), temperatures (k,)."""

    positions: FloatArray
    forces: FloatArray
    kelvin: FloatArray


def independent_frames(oracle: OracleSurface, level: str, effort: Effort) -> Frames:
    """Frames of new trajectories on GFN2-xTB, labelled by the run's oracle.

    Where that oracle is GFN2-xTB itself, its forces on the way are the labels. Dynamics on a
    costly oracle would take hours, so there a random part of the same frames is asked again.
    """
    rng = np.random.default_rng(SEED)
    is_same = level == "GFN2-xTB"
    guide = oracle if is_same else OracleSurface(xtb())
    schedule = Schedule(effort.steps, effort.skip, effort.stride)
    path = dynamics(guide, TEMPERATURES, schedule, rng)
    positions, forces = path.positions.reshape(-1, 9, 3), path.forces.reshape(-1, 9, 3)
    kelvin = np.tile(np.repeat(TEMPERATURES, 2), len(path.positions))
    if is_same:
        return Frames(positions, forces, kelvin)
    chosen = np.sort(rng.choice(len(positions), min(effort.relabel, len(positions)), replace=False))
    return Frames(positions[chosen], oracle(positions[chosen])[1], kelvin[chosen])


def force_rows(surrogate: CommitteeSurface, frames: Frames) -> tuple[list[Row], dict[str, float]]:
    """The error of forces on independent trajectories, and whether disagreement ranks it.

    Returns:
        Rows, and the error in meV/A for each temperature.
    """
    difference = surrogate(frames.positions)[1] - frames.forces
    error = 1000.0 * float(np.abs(difference).mean())
    worst = np.linalg.norm(difference, axis=-1).max(axis=-1)
    rank = float(spearmanr(surrogate.disagreement(frames.positions), worst).statistic)
    by_kelvin = {
        f"{kelvin:g} K": 1000.0 * float(np.abs(difference[frames.kelvin == kelvin]).mean())
        for kelvin in TEMPERATURES
    }
    on = f"{len(frames.positions)} independent frames"
    ranked = "rank correlation of disagreement and error"
    rows = [
        below(f"force MAE on {on}, meV/Å", FORCES_BELOW, error),
        Row(ranked, f"> {RANK_ABOVE}", f"{rank:.2f}", rank > RANK_ABOVE),
    ]
    return rows, by_kelvin


def conservation_rows(surrogate: Surface, femtoseconds: float) -> list[Row]:
    """The total energy without a thermostat, two walkers at 300 K; the worse of both counts."""
    step = 0.25
    schedule = Schedule(round(femtoseconds / step), time_step=step, friction=0.0)
    path = dynamics(surrogate, (300.0,), schedule, np.random.default_rng(SEED + 1))
    total = 1000.0 * (path.energies + path.kinetic)
    picoseconds = np.arange(len(total)) * step / 1000.0
    fluctuation = float(total.std(axis=0).max())
    drift = float(np.abs(np.polyfit(picoseconds, total, 1)[0]).max())
    over = f"over {femtoseconds:g} fs"
    return [
        below(f"total energy {over}: fluctuation, meV", FLUCTUATION_BELOW, fluctuation),
        below(f"total energy {over}: drift, meV/ps", DRIFT_BELOW, drift),
    ]


def profile(
    surrogate: CommitteeSurface, oracle: OracleSurface, said: Stationary, true: Stationary
) -> Profile:
    """Energies along the transfer, each relative to its own minimum, in kcal/mol.

    The path is the surrogate's relaxed scan; the oracle is asked at the same geometries.
    """
    path = relaxed_scan(surrogate, COORDINATES, said.left)
    own = surrogate(path)[0] - said.minimum_energy
    members = surrogate.members(path) - surrogate.members(said.left[None])
    return Profile(
        coordinate=transfer_coordinate(path),
        oracle=(oracle(path)[0] - true.minimum_energy) / KCAL_PER_MOL,
        surrogate=own / KCAL_PER_MOL,
        spread=members.std(axis=0, ddof=1) / KCAL_PER_MOL,
        oracle_barrier=true.barrier,
        surrogate_barrier=said.barrier,
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of the check.

    Attributes:
        rows: What was wanted and got.
        profile: Energies along the transfer.
        facts: Further numbers, as they stand in ``check.json``.
    """

    rows: tuple[Row, ...]
    profile: Profile
    facts: dict[str, Any]

    @property
    def failed(self) -> list[Row]:
        """Rows that are not as wanted."""
        return [row for row in self.rows if not row.holds]


def examine(surrogate: CommitteeSurface, asked: Oracle, level: str, effort: Effort) -> Verdict:
    """Check a surrogate against its oracle.

    Args:
        surrogate: The trained committee.
        asked: The oracle that it was learned from.
        level: Its level of theory.
        effort: How long the trajectories are.
    """
    oracle = OracleSurface(asked)
    rng = np.random.default_rng(SEED + 2)
    true, said = stationary_points(oracle, rng), stationary_points(surrogate, rng)
    forces, by_kelvin = force_rows(surrogate, independent_frames(oracle, level, effort))
    along = profile(surrogate, oracle, said, true)
    rows = [*barrier_rows(said, true), *forces, *conservation_rows(surrogate, effort.nve)]
    facts = {
        "level": level,
        "oracle_calls_of_the_check": oracle.calls,
        "oracle_barrier_kcal_per_mol": true.barrier,
        "surrogate_barrier_kcal_per_mol": said.barrier,
        "oracle_oxygen_distance_at_saddle_A": float(oxygen_distance(true.saddle)),
        "surrogate_oxygen_distance_at_saddle_A": float(oxygen_distance(said.saddle)),
        "force_mae_meV_per_A": by_kelvin,
    }
    return Verdict(tuple(rows), along, facts)


def check(run: Path, effort: Effort = FULL) -> Verdict:
    """Check the newest model of a run and write ``check.json`` and ``profile.png`` beside it.

    Raises:
        QueristError: If there is no run or no model in this folder.
    """
    campaign = Campaign.of_run(run)
    name, settings = next(iter(campaign.settings.oracles.items()))
    asked: Oracle = settings.factory("oracle").create()
    level = settings.level or str(getattr(asked, "level", name))
    verdict = examine(CommitteeSurface(campaign.model(run)), asked, level, effort)
    save(run, verdict.rows, {**verdict.facts, "profile": verdict.profile.as_lists()})
    draw(verdict.profile, run / "profile.png", level)
    return verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--quick", action="store_true", help="shorter trajectories")
    options = parser.parse_args(arguments)
    try:
        verdict = check(options.run, QUICK if options.quick else FULL)
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    return finish(verdict.rows)


if __name__ == "__main__":
    sys.exit(main())
