"""Particle-mesh Ewald of OpenMM on a box of water: what a step costs, and how wrong its forces are.

The electrostatic energy is split at a distance: what is near is summed pair by pair within the
cutoff, the rest on a grid (PME) or over wave vectors (Ewald). A larger cutoff costs pairs, a finer
grid costs transforms, and the split decides which of the two errs.
"""

from __future__ import annotations

import math
import time
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BOX = 2.4  # nm, about 450 molecules
STEPS, REPEATS = 10, 3
THREADS = "1"


@cache
def openmm() -> Any:
    """OpenMM, or how to get it."""
    try:
        import openmm as found
    except ModuleNotFoundError:
        raise SystemExit("OpenMM is not here; install it with: pip install openmm") from None
    return found


@cache
def water() -> tuple[Any, NDArray[np.float64]]:
    """Topology and ``(n, 3)`` positions (nm) of a relaxed box of TIP3P water."""
    openmm()
    from openmm import Vec3, app, unit

    empty = app.Modeller(app.Topology(), [] * unit.nanometer)
    sides = Vec3(BOX, BOX, BOX) * unit.nanometer
    empty.addSolvent(forcefield(), model="tip3p", boxSize=sides)
    system = forcefield().createSystem(
        empty.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.9 * unit.nanometer
    )
    context = made(system)
    context.setPositions(empty.positions)
    openmm().LocalEnergyMinimizer.minimize(context, maxIterations=100)
    return empty.topology, positions_of(context)


@cache
def forcefield() -> Any:
    """TIP3P water."""
    from openmm import app

    return app.ForceField("tip3p.xml")


def positions_of(context: Any) -> NDArray[np.float64]:
    """``(n, 3)`` in nm."""
    found = context.getState(getPositions=True).getPositions(asNumpy=True)
    return np.asarray(found._value, np.float64)


def made(system: Any) -> Any:
    """A context on the CPU with one thread."""
    mm = openmm()
    integrator = mm.VerletIntegrator(0.001)
    platform = mm.Platform.getPlatformByName("CPU")
    return mm.Context(system, integrator, platform, {"Threads": THREADS})


def system_of(cutoff: float, alpha: float, method: str, grid: int, *, only_charges: bool) -> Any:
    """The box with these settings.

    Args:
        cutoff: nm.
        alpha: Splitting parameter, 1/nm.
        method: "PME" or "Ewald".
        grid: Points along each side (PME).
        only_charges: Without Lennard-Jones, for the error of electrostatic forces alone.
    """
    from openmm import app, unit

    chosen = app.PME if method == "PME" else app.Ewald
    system = forcefield().createSystem(
        water()[0],
        nonbondedMethod=chosen,
        nonbondedCutoff=cutoff * unit.nanometer,
        constraints=None,
        rigidWater=True,
    )
    [force] = [f for f in system.getForces() if isinstance(f, openmm().NonbondedForce)]
    force.setUseDispersionCorrection(False)
    if method == "PME":
        force.setPMEParameters(alpha, grid, grid, grid)
    else:  # OpenMM finds alpha and wave vectors from the tolerance
        force.setEwaldErrorTolerance(0.5 * math.exp(-((alpha * cutoff) ** 2)))
    if only_charges:
        for index in range(force.getNumParticles()):
            charge, sigma, _ = force.getParticleParameters(index)
            force.setParticleParameters(index, charge, sigma, 0.0)
    return system


def forces_of(system: Any) -> NDArray[np.float64]:
    """``(n, 3)`` electrostatic forces, kJ/mol/nm."""
    mm = openmm()
    for force in system.getForces():
        force.setForceGroup(0 if isinstance(force, mm.NonbondedForce) else 1)
    context = made(system)
    context.setPositions(water()[1])
    found = context.getState(getForces=True, groups={0}).getForces(asNumpy=True)
    return np.asarray(found._value, np.float64)


@cache
def reference() -> NDArray[np.float64]:
    """Forces with a fine grid and a split that leaves nothing beyond the cutoff."""
    return forces_of(system_of(1.15, 4.0, "PME", 96, only_charges=True))


def simulate(cutoff: float, tolerance: float, method: str, grid: int = 0) -> dict[str, float]:
    """One setting: CPU time of a step, and the relative error of electrostatic forces.

    Args:
        cutoff: nm.
        tolerance: erfc-like remainder at the cutoff, from which alpha follows as in OpenMM.
        method: "PME" or "Ewald".
        grid: Points along each side (PME).

    Returns:
        ``ms``, CPU milliseconds of a step of one thread (median of three times ten steps);
        ``error``, the root mean square of the error of forces over that of the forces; and
        ``spent``, CPU seconds that this took altogether.
    """
    wanted = reference()  # once in a process, with the box: no part of what a setting costs
    begin = time.process_time()
    alpha = math.sqrt(-math.log(2.0 * tolerance)) / cutoff
    found = forces_of(system_of(cutoff, alpha, method, grid, only_charges=True))
    error = math.sqrt(float(((found - wanted) ** 2).sum() / (wanted**2).sum()))
    context = made(system_of(cutoff, alpha, method, grid, only_charges=False))
    context.setPositions(water()[1])
    context.setVelocitiesToTemperature(300.0, 1)
    integrator = context.getIntegrator()
    integrator.step(2)
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        integrator.step(STEPS)
        context.getState(getForces=True)
        times.append((time.process_time() - start) / STEPS)
    spent = time.process_time() - begin
    return {"ms": 1e3 * float(np.median(times)), "error": error, "spent": spent}
