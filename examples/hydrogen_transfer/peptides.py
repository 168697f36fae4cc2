"""Two capped glycines with one hydrogen between them: geometries, sites, the transfer coordinate.

Each fragment is N-formylglycinamide, ``HCO-NH-CH2-CO-NH2``, the smallest capped glycine; one of the
two lacks a hydrogen at its alpha carbon (a captodative carbon radical, as radiation or pulling
leaves them in proteins). The other gives it one of its two: ``R-H + R* -> R* + H-R``, in all 25
atoms, neutral, a doublet (one unpaired electron). Positions are in Angstrom, energies in eV.

The stored fragments are minima of GFN2-xTB (Bannwarth, Ehlert and Grimme, J. Chem. Theory Comput.
2019, 15, 1652), in the extended conformation. How sites are drawn follows Riedmiller et al., Chem.
Sci. 2024, 15, 2518, who learned barriers of the same reaction between peptides in collagen: the
ends of fragments are held where a protein would hold them, at many distances and orientations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Batch
from querist.generators.elements import MASSES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KCAL_PER_MOL = 0.0433641153
"""One kcal/mol in eV."""

CHARGE, MULTIPLICITY = 0.0, 2
"""Of the whole: neutral, one unpaired electron. GFN2-xTB is restricted open shell in effect: both
spins share orbitals, which are occupied with the wanted number of unpaired electrons."""

FRAGMENT = np.array([6, 8, 1, 7, 1, 6, 6, 8, 7, 1, 1, 1])
"""Atomic numbers (12,) of a radical: formyl C O H, N H, alpha C, carbonyl C O, N H H, alpha H."""

ATOMS = 25
NUMBERS = np.concatenate([FRAGMENT, FRAGMENT, [1]])
"""Both fragments, then the hydrogen that moves (25,)."""

DONOR, ACCEPTOR, MOVING = 5, 17, 24
"""Alpha carbons, and the hydrogen between them."""

HELD = np.array([0, 1, 3, 6, 7, 8, 12, 13, 15, 18, 19, 20])
"""What a protein would hold: all C, N and O but the alpha carbons (12,)."""

FREE = np.setdiff1d(np.arange(ATOMS), HELD)
"""The alpha carbons and all hydrogens (13,)."""

SWAP = np.concatenate([np.arange(12, 24), np.arange(12), [24]])
"""The exchange of both fragments."""

PERMUTATIONS = np.stack([np.arange(ATOMS), SWAP])
"""The group of permutations that are claimed (2, 25)."""

GLYCINE = np.array(
    [
        [0.013, 0.002, 0.0],
        [-0.69, 0.983, 0.0],
        [-0.388, -1.028, 0.0],
        [1.354, 0.022, 0.0],
        [1.922, -0.816, 0.0],
        [2.106, 1.251, 0.0],
        [3.591, 0.91, 0.0],
        [3.989, -0.233, 0.0],
        [4.408, 1.981, 0.0],
        [4.057, 2.922, 0.0],
        [5.404, 1.833, 0.0],
        [1.857, 1.849, -0.886],
        [1.857, 1.849, 0.886],
    ]
)
"""The closed-shell fragment (13, 3); its last atom is the one that moves."""

RADICAL = np.array(
    [
        [0.006, 0.048, 0.0],
        [-0.677, 1.043, 0.0],
        [-0.404, -0.974, 0.0],
        [1.372, 0.052, 0.0],
        [1.91, -0.815, 0.0],
        [2.159, 1.152, 0.0],
        [3.579, 0.91, 0.0],
        [4.028, -0.234, 0.0],
        [4.381, 2.01, 0.0],
        [4.01, 2.942, 0.0],
        [5.377, 1.877, 0.0],
        [1.69, 2.119, 0.0],
    ]
)
"""The radical (12, 3)."""

DISTANCES = (2.7, 3.2)
"""Between the alpha carbons when fragments are put together, in Angstrom."""

TILT = 20.0
"""Largest angle by which each fragment is turned away from head-on, in degrees."""

CLEARANCE = {(1, 1): 1.9, (1, 2): 2.2, (2, 2): 2.7}
"""Least distance in Angstrom between fragments: of two H, of H and another, of two others."""


def rotation(axis: FloatArray, angle: float) -> FloatArray:
    """The matrix (3, 3) that turns about an axis, by radians (Rodrigues)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def turning(start: FloatArray, end: FloatArray) -> FloatArray:
    """The matrix (3, 3) that turns one direction into another, by the shorter way."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(a, b)
    if np.linalg.norm(axis) < 1e-9:
        axis = np.cross(a, [1.0, 0.3, 0.2])
    return rotation(axis, float(np.arccos(np.clip(a @ b, -1.0, 1.0))))


def assembled(rng: np.random.Generator) -> FloatArray:
    """Donor and acceptor, put together at random (25, 3); they may overlap.

    The donor's C-H bond points along z and the radical's plane is across it, each up to ``TILT``
    away; the acceptor is turned about z by any angle.
    """
    up = np.array([0.0, 0.0, 1.0])
    donor = GLYCINE - GLYCINE[DONOR]
    donor = donor @ turning(donor[-1], up).T @ _tilt(rng).T
    radical = (RADICAL - RADICAL[DONOR]) * rng.choice([1.0, -1.0], 1)
    radical = radical @ turning(np.array([0.0, 0.0, 1.0]), up).T @ _tilt(rng).T
    radical = radical @ rotation(up, rng.uniform(0.0, 2.0 * np.pi)).T
    radical = radical + rng.uniform(*DISTANCES) * up
    return np.concatenate([donor[:12], radical, donor[12:]])


def _tilt(rng: np.random.Generator) -> FloatArray:
    around = rng.uniform(0.0, 2.0 * np.pi)
    angle = np.radians(TILT) * np.sqrt(rng.uniform())
    return rotation(np.array([np.cos(around), np.sin(around), 0.0]), angle)


def overlaps(positions: FloatArray) -> bool:
    """Whether the fragments are nearer than ``CLEARANCE`` somewhere but at the transfer itself."""
    first, second = np.delete(np.arange(12), DONOR), np.delete(np.arange(12), DONOR) + 12
    away = np.linalg.norm(positions[first, None] - positions[None, second], axis=-1)
    kinds = 1 + (FRAGMENT != 1).astype(int)[first]
    least = np.array([[CLEARANCE[min(a, b), max(a, b)] for b in kinds] for a in kinds])
    return bool((away < least).any())


def sites(count: int, rng: np.random.Generator) -> FloatArray:
    """Places of both fragments, with the hydrogen on the donor.

    Args:
        count: How many, ``k``.
        rng: Of distances and orientations.

    Returns:
        Positions (k, 25, 3), not relaxed, without overlaps.
    """
    found: list[FloatArray] = []
    while len(found) < count:
        made = assembled(rng)
        if not overlaps(made):
            found.append(made)
    return np.stack(found) if found else np.zeros((0, ATOMS, 3))


def handed_over(placed: FloatArray) -> FloatArray:
    """The other end of a transfer at sites (k, 25, 3): a radical where the donor was.

    What is held stays; alpha carbons and hydrogens are those of the other fragment, laid over it.
    """
    return np.stack([_handed_over(one) for one in placed]) if len(placed) else placed.copy()


def _handed_over(placed: FloatArray) -> FloatArray:
    donor, acceptor = placed[:12], placed[12:24]
    radical = _laid_over(RADICAL, donor)
    mirror = GLYCINE * [1.0, 1.0, -1.0]
    both = [_laid_over(fragment, acceptor) for fragment in (GLYCINE, mirror)]
    closed = min(both, key=lambda one: float(np.linalg.norm(one[-1] - placed[DONOR])))
    made = np.concatenate([radical, closed[:12], closed[12:]])
    made[HELD] = placed[HELD]
    return made


def _laid_over(fragment: FloatArray, place: FloatArray) -> FloatArray:
    """A fragment turned and moved so that what is held fits best (Kabsch 1976)."""
    held = HELD[:6]
    middle, there = fragment[held].mean(axis=0), place[held].mean(axis=0)
    left, _, right = np.linalg.svd((fragment[held] - middle).T @ (place[held] - there))
    keep = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return np.asarray((fragment - middle) @ left @ keep @ right + there)


def transfer_coordinate(positions: FloatArray) -> FloatArray:
    """Distance of the hydrogen from the donor minus that from the acceptor (...,), in Angstrom."""
    hydrogen = positions[..., MOVING, :]
    near = np.linalg.norm(positions[..., DONOR, :] - hydrogen, axis=-1)
    far = np.linalg.norm(positions[..., ACCEPTOR, :] - hydrogen, axis=-1)
    return np.asarray(near - far)


def coordinate_gradient(positions: FloatArray) -> FloatArray:
    """Gradient of the transfer coordinate (..., 25, 3)."""
    gradient = np.zeros_like(positions)
    for carbon, sign in ((DONOR, 1.0), (ACCEPTOR, -1.0)):
        bond = positions[..., MOVING, :] - positions[..., carbon, :]
        unit = sign * bond / np.linalg.norm(bond, axis=-1, keepdims=True)
        gradient[..., MOVING, :] += unit
        gradient[..., carbon, :] -= unit
    return gradient


def carbon_distance(positions: FloatArray) -> FloatArray:
    """Between the alpha carbons (...,), in Angstrom."""
    return np.asarray(
        np.linalg.norm(positions[..., DONOR, :] - positions[..., ACCEPTOR, :], axis=-1)
    )


def geometries(positions: FloatArray) -> Batch:
    """Positions (k, 25, 3) as samples of the atoms schema: neutral doublets."""
    count = len(positions)
    return Batch.stack(
        numbers=np.tile(NUMBERS, (count, 1)),
        positions=positions,
        charge=np.full(count, CHARGE),
        multiplicity=np.full(count, MULTIPLICITY),
    )


def net_force_and_torque(positions: FloatArray, forces: FloatArray) -> tuple[float, float]:
    """Largest of both over geometries (k, 25, 3), in eV/A and in eV; zero where none is held."""
    centre = (MASSES[NUMBERS][:, None] * positions).sum(axis=1) / MASSES[NUMBERS].sum()
    torque = np.cross(positions - centre[:, None], forces).sum(axis=1)
    net = forces.sum(axis=1)
    return float(np.linalg.norm(net, axis=1).max()), float(np.linalg.norm(torque, axis=1).max())
