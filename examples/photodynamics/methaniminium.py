"""What ``molecule.yaml`` needs of its own: CH2NH2+, where its trajectories begin, the committee.

The molecule is methaniminium, the smallest protonated Schiff base: pi -> pi* light turns its C=N
bond until the surfaces meet (Barbatti, Aquino and Lischka, Mol. Phys. 104, 1053, 2006). The minimum
of the ground state and its second derivatives (``reference.npz``) are the oracle's own.

Units: Angstrom, A/fs, eV, fs, unified mass units, degrees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from casscf import MASSES
from diabatic import DiabaticCommittee
from numpy.typing import NDArray

from querist.core.batch import Batch
from querist.generators.electronic import ACCELERATION, HBAR
from querist.generators.surface_hopping import SurfaceHopping

Floats = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
TIME_STEP = 0.25
"""Of trajectories, in fs."""
DURATION = 150.0
"""Longest of trajectories, in fs."""
BONDS = ((0, 1), (0, 2), (0, 3), (1, 4), (1, 5))
LENGTHS = {"shortest": [1.0, 0.65, 0.65, 0.65, 0.65], "longest": [2.8, 1.9, 1.9, 1.9, 1.9]}
"""Of :data:`BONDS`, in Angstrom: beyond, the molecule is broken."""
SETTLED = 6.0
"""On the lower surface, in fs, after which a trajectory ends: what follows is the chemistry of ions
with 10 eV in their vibrations, of which two electrons in two orbitals know nothing."""
BRIGHT = 2
"""The state that light lifts molecules to: at the minimum, pi-pi*; the one below is sigma-pi*."""


class Reference(NamedTuple):
    """``(6, 3)`` minimum in Angstrom; ``(18, 18)`` second derivatives there, in eV/A^2."""

    positions: Floats
    curvature: Floats


def reference() -> Reference:
    """The ground state's minimum, from the file beside this one."""
    with np.load(HERE / "reference.npz") as kept:
        return Reference(kept["positions"], kept["curvature"])


class Modes(NamedTuple):
    """Of the harmonic ground state.

    Attributes:
        frequencies: ``(12,)`` in 1/fs (radians).
        shapes: ``(18, 12)`` orthonormal in mass-weighted coordinates.
    """

    frequencies: Floats
    shapes: Floats


def modes(there: Reference) -> Modes:
    """Vibrations; the six lowest of the eighteen modes are translation and rotation."""
    root = np.repeat(MASSES, 3) ** -0.5
    values, shapes = np.linalg.eigh(there.curvature * root * root[:, None])
    return Modes(np.sqrt(values[6:] * ACCELERATION), shapes[:, 6:])


def wigner(count: int, seed: int) -> dict[str, Floats]:
    """Places and velocities of the vibrational ground state, from its Wigner distribution.

    ``W ~ exp(-(q^2 + p^2))`` of each mode's dimensionless coordinate and momentum (Wigner, Phys.
    Rev. 40, 749, 1932), so that each has the mean energy ``hbar omega / 2``.

    Returns:
        "positions" and "velocities" ``(count, 6, 3)`` in Angstrom and A/fs.
    """
    there = reference()
    found = modes(there)
    drawn = np.random.default_rng(seed).normal(0, 0.5**0.5, (2, count, len(found.frequencies)))
    length = np.sqrt(HBAR * ACCELERATION / found.frequencies)  # in A times the root of the mass
    root = np.repeat(MASSES, 3) ** -0.5
    moved = (drawn[0] * length) @ found.shapes.T * root
    speeds = (drawn[1] * length * found.frequencies) @ found.shapes.T * root
    shape = (count, 6, 3)
    return {
        "positions": there.positions + moved.reshape(shape),
        "velocities": speeds.reshape(shape),
    }


def turned(vectors: Floats, axis: int, degrees: float) -> Floats:
    """``(n, 3)`` vectors, turned about a Cartesian axis."""
    one, other = (axis + 1) % 3, (axis + 2) % 3
    angle, new = np.deg2rad(degrees), vectors.copy()
    new[:, one] = np.cos(angle) * vectors[:, one] - np.sin(angle) * vectors[:, other]
    new[:, other] = np.sin(angle) * vectors[:, one] + np.cos(angle) * vectors[:, other]
    return new


def shaped(
    planar: Floats, torsion: float, bond: float, bends: tuple[float, float] = (0.0, 0.0)
) -> Floats:
    """``(6, 3)`` a planar molecule along z, with its ends moved and turned.

    Args:
        planar: ``(6, 3)`` in the plane x = 0.
        torsion: About the bond, in degrees, half by each end.
        bond: Its length, in Angstrom.
        bends: Of the CH2 and the NH2 end out of their planes, in degrees.
    """
    made = planar.copy()
    made[0, 2], made[1, 2] = -bond / 2, bond / 2
    for center, ends, half, bend in (
        (0, [2, 3], torsion / 2, bends[0]),
        (1, [4, 5], -torsion / 2, bends[1]),
    ):
        arms = planar[ends] - planar[center]
        made[ends] = made[center] + turned(turned(arms, 1, bend), 2, half)
    return made


def scouts(count: int, seed: int) -> Floats:
    """``(count, 6, 3)`` shapes between planar and twisted, asked before there is a model.

    Each has the vibrations of the ground state's Wigner distribution, by which light finds it; of
    three in four the bond is then 1.2 to 1.75 A, the torsion up to 110 degrees, and the ends are
    bent by 15 degrees (standard deviation): the way that light sends them.
    """
    random, made = np.random.default_rng(seed), wigner(count, seed)["positions"]
    for k in range(count):
        bond, twist = random.uniform(1.2, 1.75), random.uniform(0, 110)
        bends = random.normal() * 15, random.normal() * 15
        if k % 4:
            made[k] = shaped(made[k], twist, bond, bends)
    return made


def whole(positions: Floats) -> NDArray[np.bool_]:
    """Of ``(n, 6, 3)``: whether all five bonds are there."""
    first, second = np.array(BONDS).T
    lengths = np.linalg.norm(positions[:, first] - positions[:, second], axis=2)
    inside = (lengths > LENGTHS["shortest"]) & (lengths < LENGTHS["longest"])
    kept: NDArray[np.bool_] = inside.all(axis=1)
    return kept


def trajectories(walkers: int = 90, starts: int = 90, seed: int = 5, **options: Any) -> Any:
    """Molecules from the ground state's Wigner distribution, lifted to the bright state."""
    begin = wigner(starts, seed)
    chosen = {
        "duration": DURATION,
        "time_step": TIME_STEP,
        "settled": SETTLED,
        "inside": whole,
        **options,
    }
    return SurfaceHopping(
        Batch.stack(**begin, state=np.full(starts, BRIGHT)),
        MASSES,
        walkers,
        scouts=Batch.stack(positions=scouts(20, seed)),
        **chosen,
    )


def committee(**options: Any) -> DiabaticCommittee:
    """Of smooth diabatic matrices, functions of inverse distances."""
    chosen = {"states": 3, "features": "double_bond", "hidden": 40, "hop": 1.0}
    chosen |= {"length": 0.5, "starts": 6, "rough": 0.5, "decay": 1e-3, "evaluations": 400}
    chosen |= {"far": 1.0, "softening": 0.2, "trial": 120, "enough": 0.2, "few": 86, "aside": 3.0}
    return DiabaticCommittee(**{**chosen, **options})
