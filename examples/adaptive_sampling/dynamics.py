"""Molecular dynamics of a molecule: one segment, which is what the oracle is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from molecules import FloatArray, Molecule, molecule, require_unit, system_of
from numpy.typing import NDArray

from querist.core.errors import require

TEMPERATURE = 400.0  # Kelvin
FRICTION = 1.0  # of Langevin dynamics, in 1/ps
TIME_STEP = 0.004  # in ps
RELAXED = 200  # steps of the minimiser, for a structure that was built

Frames = NDArray[np.float32]


class Segments:
    """Runs segments of one molecule.

    A segment begins at given positions with velocities drawn from Maxwell's law. Its seed fixes it:
    on one machine the same question has the same answer, whoever is asked.

    Args:
        system: Name of the molecule.
        picoseconds: How long a segment is.
        every: Between the frames that are kept, in ps.
        force: A further one of OpenMM.
    """

    def __init__(
        self,
        system: str = "alanine",
        picoseconds: float = 4.0,
        every: float = 0.2,
        force: Any = None,
    ) -> None:
        self.molecule: Molecule = molecule(system)
        self.frames = round(picoseconds / every)
        self.steps = round(every / TIME_STEP)
        self._system = system_of(self.molecule)
        if force is not None:
            self._system.addForce(force)

    def __call__(self, positions: NDArray[Any], seed: Any) -> dict[str, Frames]:
        """``frames`` (k, n, 3) in Angstrom, each ``every`` ps, beginning with the first."""
        context = self._context(np.asarray(positions, np.float64), int(seed))
        found = np.empty((self.frames, len(positions), 3), np.float32)
        for row in range(self.frames):
            context.getIntegrator().step(self.steps)
            found[row] = _positions(context)
        return {"frames": found}

    def _context(self, positions: FloatArray, seed: int) -> Any:
        mm, unit = require("openmm", "sampling", "molecular dynamics"), require_unit()
        integrator = mm.LangevinMiddleIntegrator(
            TEMPERATURE, FRICTION / unit.picosecond, TIME_STEP * unit.picosecond
        )
        integrator.setRandomNumberSeed(seed % 2**31)
        name = self.molecule.platform
        platform = mm.Platform.getPlatformByName(name)
        options: Mapping[str, str] = {"Threads": "1"} if name == "CPU" else {}
        context = mm.Context(self._system, integrator, platform, options)
        context.setPositions(0.1 * positions)
        if np.array_equal(positions, self.molecule.positions):
            mm.LocalEnergyMinimizer.minimize(context, maxIterations=RELAXED)
        context.setVelocitiesToTemperature(TEMPERATURE, seed % 2**31)
        return context

    def long(self, frames: int, seed: int) -> Frames:
        """One trajectory without restarts, from the built structure (``frames``, n, 3)."""
        context = self._context(self.molecule.positions, seed)
        found = np.empty((frames, len(self.molecule.positions), 3), np.float32)
        for row in range(frames):
            context.getIntegrator().step(self.steps)
            found[row] = _positions(context)
        return found


def _positions(context: Any) -> FloatArray:
    state = context.getState(getPositions=True)
    return 10.0 * np.asarray(state.getPositions(asNumpy=True)._value, np.float64)


def temperature(segments: Segments, samples: int, seed: int) -> float:
    """Mean kinetic temperature in Kelvin of ``samples`` states that are a picosecond apart."""
    mm, unit = require("openmm", "sampling", "molecular dynamics"), require_unit()
    context = segments._context(segments.molecule.positions, seed)
    system = context.getSystem()
    moving = sum(1 for i in range(system.getNumParticles()) if system.getParticleMass(i)._value > 0)
    free = 3 * moving - system.getNumConstraints() - 3  # the centre of mass is held
    context.getIntegrator().step(20 * segments.steps)
    energies = []
    for _ in range(samples):
        context.getIntegrator().step(segments.steps)
        kinetic = context.getState(getEnergy=True).getKineticEnergy()
        energies.append(kinetic.value_in_unit(unit.kilojoule_per_mole))
    gas = (unit.MOLAR_GAS_CONSTANT_R).value_in_unit(unit.kilojoule_per_mole / unit.kelvin)
    assert any(isinstance(force, mm.CMMotionRemover) for force in system.getForces())
    return float(2.0 * np.mean(energies) / (free * gas))
