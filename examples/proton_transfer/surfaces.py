"""Potential energy surfaces, of an oracle or of a trained committee, and what moves on them.

Positions are in Angstrom, energies in eV, forces in eV/Angstrom, times in fs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from molecule import (
    LEFT_OXYGEN,
    MINIMUM,
    MIRROR_MINIMUM,
    NUMBERS,
    PROTON,
    RIGHT_OXYGEN,
    STIFFNESS,
    EnergyAndForces,
    FloatArray,
    transfer_coordinate,
)
from scipy.optimize import minimize

from querist.core.answers import Label
from querist.core.batch import Batch
from querist.core.prediction import Feedback, Prediction, Verdict, Verdicts
from querist.core.roles import Model, Oracle
from querist.generators.elements import MASSES
from querist.generators.langevin import ACCELERATION, LangevinWalkers
from querist.testing.contexts import lone_context

SPRING = 100.0
"""Of the spring that holds the transfer coordinate in a relaxed scan, in eV/A^2."""

Surface = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Positions (k, 9, 3) to energies (k,) and forces (k, 9, 3)."""


def geometries(positions: FloatArray) -> Batch:
    """Positions (k, 9, 3) as samples of the atoms schema."""
    return Batch.stack(numbers=np.tile(NUMBERS, (len(positions), 1)), positions=positions)


class OracleSurface:
    """Asks an oracle, here and now, and counts how often.

    Attributes:
        oracle: What is asked.
        calls: Geometries asked so far.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, self.calls = oracle, 0
        self._context = lone_context(Path(tempfile.gettempdir()))

    def __call__(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Energies (k,) and forces (k, 9, 3).

        Raises:
            RuntimeError: If the oracle has no answer; the sentence is its own.
        """
        self.calls += len(positions)
        outcomes = self.oracle.answer(geometries(positions), self._context)
        for outcome in outcomes:
            if not isinstance(outcome, Label):
                raise RuntimeError(f"the oracle gave no label: {outcome.message}")
        found = [outcome.outputs for outcome in outcomes if isinstance(outcome, Label)]
        energies = np.array([float(label["energy"]) for label in found])
        return energies, np.stack([np.asarray(label["forces"], np.float64) for label in found])


@dataclass(frozen=True, slots=True)
class CommitteeSurface:
    """The mean of a trained committee.

    Attributes:
        model: Loaded.
    """

    model: Model

    def __call__(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Energies (k,) and forces (k, 9, 3)."""
        mean = self.model.predict(geometries(positions)).mean
        return np.asarray(mean["energy"], np.float64), np.asarray(mean["forces"], np.float64)

    def members(self, positions: FloatArray) -> FloatArray:
        """Energies (members, k) of each member."""
        said = self.model.predict(geometries(positions)).members or ()
        return np.stack([np.asarray(member["energy"], np.float64) for member in said])

    def disagreement(self, positions: FloatArray) -> FloatArray:
        """Of the members on the force of the worst atom (k,): what the gate compares."""
        return self.model.predict(geometries(positions)).uncertainty("forces")


def single(surface: Surface) -> EnergyAndForces:
    """The same surface for one geometry, as optimisers want it."""

    def energy_and_forces(positions: FloatArray) -> tuple[float, FloatArray]:
        energies, forces = surface(positions[None])
        return float(energies[0]), forces[0]

    return energy_and_forces


def relaxed_scan(
    surface: Surface, coordinates: FloatArray, start: FloatArray = MINIMUM
) -> FloatArray:
    """Relax everything but the transfer coordinate, which a stiff spring holds.

    Args:
        surface: The surface to relax on.
        coordinates: Wanted transfer coordinates (k,), in an order in which neighbours are near.
        start: Positions (9, 3) near the first.

    Returns:
        Positions (k, 9, 3); the spring gives way by some mA.
    """
    relaxed = []
    for wanted in coordinates:
        start = _held(single(surface), start, float(wanted))
        relaxed.append(start)
    return np.stack(relaxed)


def _held(surface: EnergyAndForces, start: FloatArray, wanted: float) -> FloatArray:
    reference = surface(start)[0]

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        positions = flat.reshape(start.shape)
        energy, forces = surface(positions)
        away = float(transfer_coordinate(positions)) - wanted
        gradient = SPRING * away * _coordinate_gradient(positions) - forces
        return energy - reference + 0.5 * SPRING * away**2, gradient.ravel()

    options: Any = {"gtol": 5e-3, "hess_inv0": np.eye(start.size) / STIFFNESS}
    found = minimize(objective, start.ravel(), jac=True, method="BFGS", options=options)
    return np.asarray(found.x).reshape(start.shape)


def _coordinate_gradient(positions: FloatArray) -> FloatArray:
    """Gradient (9, 3) of the transfer coordinate."""
    gradient = np.zeros_like(positions)
    for oxygen, sign in ((LEFT_OXYGEN, 1.0), (RIGHT_OXYGEN, -1.0)):
        bond = positions[PROTON] - positions[oxygen]
        gradient[PROTON] += sign * bond / np.linalg.norm(bond)
        gradient[oxygen] -= sign * bond / np.linalg.norm(bond)
    return gradient


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What walkers met.

    Attributes:
        positions: (frames, walkers, 9, 3).
        energies: Potential (frames, walkers), in eV.
        forces: (frames, walkers, 9, 3).
        kinetic: Kinetic energy (frames, walkers), in eV.
    """

    positions: FloatArray
    energies: FloatArray
    forces: FloatArray
    kinetic: FloatArray


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to move, and how.

    Attributes:
        steps: How many.
        skip: Steps at the beginning that are not kept, for equilibration.
        stride: Every how many steps a frame is kept.
        time_step: In fs.
        friction: In 1/fs; 0 is velocity Verlet, which conserves the energy.
    """

    steps: int
    skip: int = 0
    stride: int = 1
    time_step: float = 0.5
    friction: float = 0.01

    def keeps(self, step: int) -> bool:
        """Whether the frame of this step is kept."""
        return step >= self.skip and (step - self.skip) % self.stride == 0


def dynamics(
    surface: Surface,
    temperatures: Sequence[float],
    schedule: Schedule,
    rng: np.random.Generator,
) -> Trajectory:
    """Molecular dynamics of two walkers a temperature, one from each of the two minima.

    Args:
        surface: What gives the forces.
        temperatures: In Kelvin, of the thermostat and of the first velocities.
        schedule: How long.
        rng: For velocities and noise.

    Returns:
        The kept frames of ``2 len(temperatures)`` walkers.
    """
    walkers = _walkers(temperatures, schedule, rng)
    trust = Verdicts(np.full(walkers.walkers, Verdict.TRUST, np.int8), np.zeros(walkers.walkers))
    masses = MASSES[NUMBERS][:, None]
    frames = []
    for step in range(schedule.steps):
        proposal = walkers.propose()
        positions = np.asarray(proposal.batch["positions"], np.float64)
        energies, forces = surface(positions)
        said = Prediction(Batch.stack(energy=energies, forces=forces), Batch({}))
        walkers.observe(Feedback(proposal.walkers, said, trust))
        if schedule.keeps(step):
            velocities = np.asarray(walkers.state()[0]["velocities"], np.float64)
            kinetic = 0.5 * (masses * velocities**2).sum(axis=(1, 2)) / ACCELERATION
            frames.append((positions.copy(), energies, forces, kinetic))
    return Trajectory(*(np.stack(part) for part in zip(*frames, strict=True)))


def _walkers(
    temperatures: Sequence[float], schedule: Schedule, rng: np.random.Generator
) -> LangevinWalkers:
    return LangevinWalkers(
        geometries(np.stack([MINIMUM, MIRROR_MINIMUM] * len(temperatures))),
        2 * len(temperatures),
        temperature=np.repeat(temperatures, 2).tolist(),
        time_step=schedule.time_step,
        friction=schedule.friction,
        seed=int(rng.integers(2**31)),
    )


def aligned_rmsd(positions: FloatArray, reference: FloatArray) -> float:
    """Root mean square distance of atoms after the best rotation (Kabsch 1976), in Angstrom."""
    a, b = positions - positions.mean(axis=0), reference - reference.mean(axis=0)
    left, stretch, right = np.linalg.svd(a.T @ b)
    stretch[-1] *= np.sign(np.linalg.det(left @ right))
    squared = (a**2).sum() + (b**2).sum() - 2.0 * stretch.sum()
    return float(np.sqrt(max(0.0, squared) / len(a)))
