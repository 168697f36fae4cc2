"""Copper: its crystal and surfaces, and what is computed of them by any potential.

Energies in eV, lengths in Angstrom, stresses in eV/Angstrom^3 with ASE's sign (positive when
stretched); elastic constants in GPa, surface energies in J/m^2. A *potential* is anything that
takes a batch of the atoms schema and gives one with ``energy``, ``forces`` and ``stress``: the
oracle (:func:`emt`) and the learned model give the same properties by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, curve_fit, minimize

from querist.core.atoms import atoms_sample
from querist.core.batch import Batch, Sample
from querist.core.errors import require

FloatArray = NDArray[np.float64]
Potential = Callable[[Batch], Batch]

COPPER = 29
SPACING = 3.61
"""Lattice constant of copper in Angstrom: Kittel, Introduction to Solid State Physics."""
NEIGHBOURS = SPACING / np.sqrt(2.0)
GPA = 160.21766208
"""GPa of one eV/Angstrom^3."""
JOULE = 16.021766208
"""J/m^2 of one eV/Angstrom^2."""
MEASURED = {"C11": 176.2, "C12": 124.9, "C44": 81.8}
"""In GPa at 0 K: Overton and Gaffney, Phys. Rev. 98, 969, 1955."""
VACUUM = 8.0  # on each side of a slab, in Angstrom: farther than the potentials reach
MASS = 63.546
ACCELERATION = 9.648533212e-3  # Angstrom/fs^2 of 1 eV/Angstrom on 1 u


@cache
def _emt() -> Any:
    return require("ase.calculators.emt", "atoms", "effective medium theory").EMT()


def emt(batch: Batch) -> Batch:
    """The oracle: effective medium theory, Jacobsen et al., Surf. Sci. 366, 394, 1996."""
    ase = require("ase", "atoms", "effective medium theory")
    rows = []
    for sample in batch.samples():
        arrays = dict(sample.arrays)
        atoms = ase.Atoms(calculator=_emt(), **arrays)
        rows.append(
            {
                "energy": atoms.get_potential_energy(),
                "forces": atoms.get_forces(),
                "stress": atoms.get_stress(voigt=False),
            }
        )
    return Batch.of(rows)


# ------------------------------------------------------------------------------------ geometries


def bulk(spacing: float = SPACING, repeat: int = 1) -> Sample:
    """``4 repeat^3`` atoms in a cubic cell."""
    corner = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], np.float64) / 2
    shifts = np.stack(np.meshgrid(*[np.arange(repeat)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    positions = (corner[None] + shifts).reshape(-1, 3) * spacing
    return atoms_sample([COPPER] * len(positions), positions, repeat * spacing * np.eye(3))


def slab(face: str, layers: int, spacing: float = SPACING, repeat: int = 1) -> Sample:
    """A slab of so many layers with the surface "100" or "111" on both sides.

    Its cell repeats the smallest one ``repeat`` times each way, and has vacuum above and below.
    """
    build = require("ase.build", "atoms", "slabs")
    make = {"100": build.fcc100, "111": build.fcc111}[face]
    atoms = make("Cu", (repeat, repeat, layers), a=spacing, vacuum=VACUUM)
    cell = np.array(atoms.cell)
    return atoms_sample(atoms.numbers, atoms.positions, cell, [True, True, False])


def strained(sample: Sample, strain: FloatArray) -> Sample:
    """Cell and atoms multiplied by ``1 + strain`` (3, 3)."""
    turn = np.eye(3) + strain
    cell = sample["cell"] @ turn
    return atoms_sample(sample["numbers"], sample["positions"] @ turn, cell, sample["pbc"])


def moved(sample: Sample, positions: FloatArray) -> Sample:
    """The same cell with other positions."""
    return atoms_sample(sample["numbers"], positions, sample["cell"], sample["pbc"])


# ------------------------------------------------------------------------------------ properties


@dataclass(frozen=True, slots=True)
class Crystal:
    """What a potential says of the perfect crystal.

    Attributes:
        spacing: Lattice constant, in Angstrom.
        energy: Per atom, in eV.
        c11, c12, c44: Elastic constants, in GPa.
        volumes, energies: An equation of state: Angstrom^3 and eV per atom, (k,) each.
        modulus: Bulk modulus of its fit to Birch and Murnaghan's equation, in GPa.
    """

    spacing: float
    energy: float
    c11: float
    c12: float
    c44: float
    volumes: FloatArray
    energies: FloatArray
    modulus: float

    @classmethod
    def of(cls, potential: Potential) -> Crystal:
        """Compute it all."""
        spacing = lattice_constant(potential)
        c11, c12, c44 = elastic(potential, spacing)
        volumes, energies = equation_of_state(potential)
        energy = float(potential(one(bulk(spacing)))["energy"][0]) / 4
        _, _, modulus, _ = birch_murnaghan(volumes, energies)
        return cls(spacing, energy, c11, c12, c44, volumes, energies, modulus * GPA)


def one(sample: Sample) -> Batch:
    """A batch of one."""
    return Batch.from_samples([sample])


def lattice_constant(potential: Potential) -> float:
    """Where the crystal has no stress, in Angstrom."""

    def stress(spacing: float) -> float:
        return float(np.trace(potential(one(bulk(spacing)))["stress"][0]))

    return float(brentq(stress, 0.95 * SPACING, 1.05 * SPACING, xtol=1e-6))


def elastic(potential: Potential, spacing: float, step: float = 2e-3) -> tuple[float, float, float]:
    """C11, C12 and C44 in GPa: central differences of the stress by the strain.

    In an fcc crystal strain moves no atom within the cell (each is a centre of inversion), so that
    nothing is to be relaxed: Nye, Physical Properties of Crystals, 1957, chapter VIII.
    """
    stretch = np.zeros((3, 3))
    stretch[0, 0] = step
    shear = np.zeros((3, 3))
    shear[1, 2] = shear[2, 1] = step / 2
    start = bulk(spacing)
    samples = [strained(start, s) for s in (stretch, -stretch, shear, -shear)]
    stress = np.asarray(potential(Batch.from_samples(samples))["stress"], np.float64)
    long, across = (stress[0] - stress[1]) * GPA / (2 * step), stress[2] - stress[3]
    c44 = across[1, 2] * GPA / (2 * step)
    return float(long[0, 0]), float(0.5 * (long[1, 1] + long[2, 2])), float(c44)


def equation_of_state(
    potential: Potential, low: float = 0.86, high: float = 1.16, points: int = 16
) -> tuple[FloatArray, FloatArray]:
    """Volumes and energies per atom, from so much to so much of the volume at SPACING."""
    volumes = np.linspace(low, high, points) * SPACING**3 / 4
    samples = [bulk(float((4 * volume) ** (1 / 3))) for volume in volumes]
    energies = potential(Batch.from_samples(samples))["energy"]
    return volumes, np.asarray(energies, np.float64) / 4


def birch_murnaghan(volumes: FloatArray, energies: FloatArray) -> tuple[float, ...]:
    """Fit energy and volume of the minimum, bulk modulus (eV/Angstrom^3) and its derivative.

    Birch, Phys. Rev. 71, 809, 1947; only volumes within 6 % of the lowest are used.
    """

    def curve(volume: FloatArray, e0: float, v0: float, b0: float, b1: float) -> FloatArray:
        x = (v0 / volume) ** (2 / 3)
        return e0 + 9 * v0 * b0 / 16 * ((x - 1) ** 3 * b1 + (x - 1) ** 2 * (6 - 4 * x))

    middle = volumes[energies.argmin()]
    near = np.abs(volumes / middle - 1) < 0.06
    start = (energies.min(), middle, 0.8, 5.0)
    found, _ = curve_fit(curve, volumes[near], energies[near], p0=start)
    return tuple(float(value) for value in found)


def relaxed(potential: Potential, sample: Sample) -> tuple[float, FloatArray]:
    """Energy and positions (n, 3) after relaxing the atoms in a fixed cell."""
    shape = sample["positions"].shape

    def energy_and_slope(x: FloatArray) -> tuple[float, FloatArray]:
        said = potential(one(moved(sample, x.reshape(shape))))
        return float(said["energy"][0]), -np.asarray(said["forces"][0], np.float64).ravel()

    start = np.asarray(sample["positions"], np.float64).ravel()
    options = {"gtol": 1e-4, "maxiter": 200}
    found = minimize(energy_and_slope, start, jac=True, method="L-BFGS-B", options=options)
    return float(found.fun), np.asarray(found.x).reshape(shape)


def surface_energy(
    potential: Potential, face: str, crystal: Crystal, layers: int
) -> tuple[float, float]:
    """Energy of a relaxed surface in J/m^2, and the outward move of its first layer in percent.

    The energy that a slab has above as many atoms of the bulk, by the area of both sides: Fiolhais
    and Almeida, Int. J. Quantum Chem. 101, 645, 2005.
    """
    start = slab(face, layers, crystal.spacing)
    energy, positions = relaxed(potential, start)
    a, b = start["cell"][:2]
    area = float(np.linalg.norm(np.cross(a, b)))
    before, after = np.sort(start["positions"][:, 2]), np.sort(positions[:, 2])
    gap = (after[-1] - after[-2]) / (before[-1] - before[-2]) - 1
    return (energy - layers * crystal.energy) / (2 * area) * JOULE, 100 * float(gap)


def drift(potential: Potential, steps: int, step: float = 2.0, kelvin: float = 600.0) -> float:
    """Change of the total energy in velocity Verlet dynamics, in meV an atom.

    The mean of the last tenth minus that of the first tenth; 32 atoms that begin in the perfect
    crystal with the kinetic energy of twice ``kelvin``. ``step`` is in fs.
    """
    sample = bulk(repeat=2)
    rng = np.random.default_rng(5)
    x = np.asarray(sample["positions"], np.float64)
    v = rng.standard_normal(x.shape) * np.sqrt(2 * 8.617e-5 * kelvin / MASS * ACCELERATION)
    v -= v.mean(axis=0)
    said = potential(one(sample))
    totals = []
    for _ in range(steps):
        v = v + 0.5 * step * np.asarray(said["forces"][0]) * ACCELERATION / MASS
        x = x + step * v
        said = potential(one(moved(sample, x)))
        v = v + 0.5 * step * np.asarray(said["forces"][0]) * ACCELERATION / MASS
        kinetic = 0.5 * MASS / ACCELERATION * float((v**2).sum())
        totals.append(float(said["energy"][0]) + kinetic)
    tenth = max(1, steps // 10)
    return 1000 * float(np.mean(totals[-tenth:]) - np.mean(totals[:tenth])) / len(x)


def stress_error(potential: Potential, samples: Sequence[Sample], step: float = 1e-4) -> float:
    """Largest difference of the stress from the derivative of the energy by strain, in GPa."""
    worst = 0.0
    for sample in samples:
        stress = np.asarray(potential(one(sample))["stress"][0], np.float64)
        volume = abs(float(np.linalg.det(sample["cell"])))
        for a, b in ((0, 0), (1, 1), (0, 1)):
            strain = np.zeros((3, 3))
            strain[a, b] += step / 2
            strain[b, a] += step / 2
            pair = Batch.from_samples([strained(sample, strain), strained(sample, -strain)])
            high, low = np.asarray(potential(pair)["energy"], np.float64)
            worst = max(worst, abs((high - low) / (2 * step * volume) - stress[a, b]) * GPA)
    return worst
