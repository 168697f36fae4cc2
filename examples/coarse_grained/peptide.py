"""Alanine dipeptide with all its atoms, in implicit water: dynamics, and mean forces on six beads.

The all-atom system is ACE-ALA-NME, 22 atoms, AMBER ff14SB with the generalised Born model OBC2,
flexible bonds, 300 K (OpenMM). The beads are six of its atoms: C and N on both sides of the
alanine, its CA and CB, so that the torsions phi and psi are those of beads, and CB tells left from
right.

The potential of beads ``R`` that has their all-atom distribution is the potential of mean force
``W(R) = -kT log p(R)`` (Noid et al., J. Chem. Phys. 128, 244114, 2008), and since beads are atoms,
``-dW/dR = < f >``: the mean of the forces on these atoms while they stand still and all other atoms
move. No correction of masses or of a metric is needed, as it would be for constrained torsions,
because Cartesian coordinates are held (compare Carter et al., Chem. Phys. Lett. 156, 472, 1989). So
an oracle holds the beads, runs dynamics of the rest, and averages.

Forces on free atoms have no mean: at equilibrium ``< f_free > = 0``. Adding those of the atoms that
hang on a bead changes no mean and takes much of the noise away, for a stretched bond pulls at both
ends (Kramer et al., J. Phys. Chem. Lett. 14, 3970, 2023). Then forces on beads add up to nothing.

Units here: Angstrom, eV, eV/Angstrom, ps, K; OpenMM's own inside.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.atoms import atoms_sample
from querist.core.batch import Sample

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Shape = tuple[float, float, float]
"""A distance in Angstrom, an angle and a torsion in radians."""

NAMES = "H1 CH3 H2 H3 C O | N H CA HA CB HB1 HB2 HB3 C O | N H C H1 H2 H3"
RESIDUES = ("ACE", "ALA", "NME")
BEADS = np.array([4, 6, 8, 10, 14, 16])
"""Of the 22 atoms: C, N, CA, CB, C, N."""
NUMBERS = np.array([6, 7, 6, 6, 6, 7])
OWNER = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5])
"""The bead that each atom hangs on."""
PHI, PSI = (0, 1, 2, 4), (1, 2, 4, 5)
"""Beads of the torsions C-N-CA-C and N-CA-C-N."""
KELVIN = 300.0
KT = 8.617333262e-5 * KELVIN
"""eV"""
EV_PER_KJ = 0.010364269656
"""eV for one kJ/mol."""
STEP = 0.002
"""ps; hydrogens weigh 3 u, of which no configurational average depends"""
FRICTION = 5.0
"""1/ps"""
EVERY = 10
"""Steps between two looks at the forces."""
HANGS = np.asarray(np.arange(len(BEADS))[:, None] == OWNER, np.float64)

EXTENDED = """
2.000 1.000 0.000  2.000 2.090 0.000  1.486 2.454 0.890  1.486 2.454 -0.890  3.427 2.641 0.000
4.391 1.877 0.000  3.555 3.970 0.000  2.733 4.556 0.000  4.853 4.614 0.000  5.408 4.316 0.890
5.661 4.221 -1.232  5.123 4.521 -2.131  6.630 4.719 -1.206  5.809 3.141 -1.241  4.713 6.129 0.000
3.601 6.653 0.000  5.846 6.835 0.000  6.737 6.359 0.000  5.846 8.284 0.000  4.819 8.648 0.000
6.360 8.648 0.890  6.360 8.648 -0.890
"""
"""All atoms of the extended molecule, in Angstrom: phi = psi = 180 degrees."""

# Where the other atoms are put: atom, then three that are there; it is bonded to the last of them.
GROWTH = (
    (1, 8, 6, 4), (5, 8, 6, 4), (0, 6, 4, 1), (2, 6, 4, 1), (3, 6, 4, 1), (7, 1, 4, 6),
    (9, 10, 6, 8), (11, 6, 8, 10), (12, 6, 8, 10), (13, 6, 8, 10), (15, 16, 8, 14),
    (17, 15, 14, 16), (18, 8, 14, 16), (19, 14, 16, 18), (20, 14, 16, 18), (21, 14, 16, 18),
)  # fmt: skip


def openmm() -> Any:
    """OpenMM, or how to get it."""
    try:
        import openmm as found
    except ModuleNotFoundError:
        raise SystemExit("OpenMM is not here; install it with: pip install openmm") from None
    return found


def extended() -> FloatArray:
    """All atoms of the extended molecule ``(22, 3)``, in Angstrom."""
    return np.array(EXTENDED.split(), np.float64).reshape(-1, 3)


def beads_sample(positions: FloatArray) -> Sample:
    """Six beads ``(6, 3)`` in Angstrom, as a sample."""
    return atoms_sample(NUMBERS, positions)


def torsion(positions: FloatArray, four: tuple[int, int, int, int]) -> FloatArray:
    """Dihedral angles in radians, of positions ``(..., atoms, 3)``; IUPAC's sign."""
    a, b, c, d = (positions[..., i, :] for i in four)
    first, axis, last = b - a, c - b, d - c
    left, right = np.cross(first, axis), np.cross(axis, last)
    length = np.linalg.norm(axis, axis=-1)
    sine = length * np.einsum("...i,...i->...", first, right)
    return np.asarray(np.arctan2(sine, np.einsum("...i,...i->...", left, right)))


def torsions(positions: FloatArray) -> FloatArray:
    """Phi and psi of beads ``(..., 6, 3)``, in degrees ``(..., 2)``."""
    both = [torsion(positions, PHI), torsion(positions, PSI)]
    return np.degrees(np.stack(both, axis=-1))


def _placed(a: FloatArray, b: FloatArray, c: FloatArray, shape: Shape) -> FloatArray:
    """The point of a distance from ``c``, an angle at ``c`` and a torsion about ``b``-``c``."""
    length, angle, turn = shape
    axis = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, axis)
    normal /= np.linalg.norm(normal)
    frame = np.stack([axis, np.cross(normal, axis), normal])
    local = [-np.cos(angle), np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn)]
    return np.asarray(c + length * (np.array(local) @ frame))


@cache
def _shapes() -> tuple[Shape, ...]:
    x, found = extended(), []
    for atom, a, b, c in GROWTH:
        bond, back = x[atom] - x[c], x[b] - x[c]
        length = np.linalg.norm(bond)
        angle = np.arccos(bond @ back / length / np.linalg.norm(back))
        found.append((float(length), float(angle), float(torsion(x, (a, b, c, atom)))))
    return tuple(found)


def atoms_around(beads: FloatArray) -> FloatArray:
    """All 22 atoms around beads ``(6, 3)``, with the extended molecule's bonds, in Angstrom."""
    x = np.zeros((22, 3))
    x[BEADS] = beads
    for (atom, a, b, c), shape in zip(GROWTH, _shapes(), strict=True):
        x[atom] = _placed(x[a], x[b], x[c], shape)
    return x


@cache
def topology() -> Any:
    """OpenMM's topology of the molecule."""
    openmm()
    from openmm import app

    made = app.Topology()
    chain = made.addChain()
    for residue, names in zip(RESIDUES, NAMES.split("|"), strict=True):
        place = made.addResidue(residue, chain)
        for name in names.split():
            made.addAtom(name, app.Element.getBySymbol(name[0]), place)
    made.createStandardBonds()
    return made


@cache
def system(held: bool) -> Any:
    """OpenMM's system, to be shared. With ``held`` beads have no mass, so that nothing moves them.

    The solvent is OpenMM's force for this model that is written out; the one of its force field
    files is an interpreted formula, and takes fifty times as long on the platform used here.
    """
    mm = openmm()
    from openmm import app
    from openmm.app.internal.customgbforces import GBSAOBC2Force

    made = app.ForceField("amber14-all.xml").createSystem(
        topology(), nonbondedMethod=app.NoCutoff, hydrogenMass=3.0, removeCMMotion=False
    )
    [charges] = [force for force in made.getForces() if isinstance(force, mm.NonbondedForce)]
    water = mm.GBSAOBCForce()
    for atom, (radius, scale) in enumerate(GBSAOBC2Force.getStandardParameters(topology())):
        water.addParticle(charges.getParticleParameters(atom)[0], radius, scale)
    made.addForce(water)
    for atom in BEADS.tolist() if held else ():
        made.setParticleMass(atom, 0.0)
    return made


class Molecule:
    """Dynamics of all atoms, on one thread; the same whoever runs it.

    Args:
        seed: Of the thermostat and of velocities.
        held: Do beads stand still?
        bias: A further force of OpenMM.
    """

    def __init__(self, seed: int, held: bool = False, bias: Any = None) -> None:
        mm = openmm()
        made = system(held)
        if bias is not None:
            made = deepcopy(made)
            made.addForce(bias)
        integrator = mm.LangevinMiddleIntegrator(KELVIN, FRICTION, STEP)
        self._seed = seed % 2**31 or 1
        integrator.setRandomNumberSeed(self._seed)
        # For so few atoms the quickest of the platforms that every OpenMM has.
        platform = mm.Platform.getPlatformByName("Reference")
        self.context = mm.Context(made, integrator, platform)

    def put(self, positions: FloatArray) -> None:
        """Begin at ``(22, 3)`` in Angstrom, relaxed, with new velocities."""
        self.context.setPositions(positions / 10.0)
        openmm().LocalEnergyMinimizer.minimize(self.context, 50.0, 200)
        self.context.setVelocitiesToTemperature(KELVIN, self._seed)

    def step(self, steps: int) -> None:
        """So many steps of 2 fs."""
        self.context.getIntegrator().step(steps)

    def positions(self) -> FloatArray:
        """``(22, 3)`` in Angstrom."""
        found = self.context.getState(getPositions=True).getPositions(asNumpy=True)._value
        return np.asarray(found, np.float64) * 10.0

    def forces(self) -> FloatArray:
        """On beads, with those of atoms that hang on them ``(6, 3)``, in eV/Angstrom."""
        found = self.context.getState(getForces=True).getForces(asNumpy=True)._value
        return np.asarray(HANGS @ np.asarray(found, np.float64) * (EV_PER_KJ / 10.0))


@dataclass(frozen=True, slots=True)
class MeanForce:
    """What holding beads and averaging gave.

    Attributes:
        forces: ``(6, 3)`` in eV/Angstrom.
        errors: Standard error of each component ``(6, 3)``, from the scatter of block means.
    """

    forces: FloatArray
    errors: FloatArray


def mean_force(
    beads: FloatArray, seed: int, length: float = 4.0, settle: float = 0.5, blocks: int = 8
) -> MeanForce:
    """Hold beads, let all other atoms move at 300 K, and average the forces.

    Args:
        beads: ``(6, 3)`` in Angstrom.
        seed: Of the thermostat and of the velocities.
        length: What is averaged over, in ps.
        settle: What is left out at first, in ps.
        blocks: Stretches whose means are taken for independent.
    """
    molecule = Molecule(seed, held=True)
    molecule.put(atoms_around(beads))
    molecule.step(round(settle / STEP))
    count = max(1, round(length / STEP / EVERY / blocks))
    means = np.zeros((blocks, len(BEADS), 3))
    for block in means:
        for _ in range(count):
            molecule.step(EVERY)
            block += molecule.forces()
        block /= count
    return MeanForce(means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(blocks))


def mean_forces(beads: FloatArray, seed: int, length: float = 4.0) -> tuple[FloatArray, FloatArray]:
    """Forces and errors of several geometries, ``(n, 6, 3)`` each."""
    found = [mean_force(one, seed + row, length) for row, one in enumerate(beads)]
    return np.array([one.forces for one in found]), np.array([one.errors for one in found])
