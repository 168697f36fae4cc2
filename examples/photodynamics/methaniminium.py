"""What ``molecule.yaml`` needs of its own: CH2NH2+, where its trajectories begin, the committee.

The molecule is methaniminium, the smallest protonated Schiff base: pi -> pi* light turns its C=N
bond until the surfaces meet (Barbatti, Aquino and Lischka, Mol. Phys. 104, 1053, 2006). The minimum
of the ground state and its second derivatives (``reference.npz``) are the oracle's own
(``python molecule.py --reference``).

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
ROUGH = np.array(
    [
        [0, 0, -0.64],
        [0, 0, 0.64],
        [0, 0.94, -1.18],
        [0, -0.94, -1.18],
        [0, 0.86, 1.17],
        [0, -0.86, 1.17],
    ]
)
"""``(6, 3)`` about the ground state's minimum: C, N, two H on C, two on N; in Angstrom."""
TIME_STEP = 0.25
"""Of trajectories, in fs."""
DURATION = 120.0
"""Of trajectories, in fs."""


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
    """``(count, 6, 3)`` shaken shapes between planar and twisted, asked before there is a model.

    Of each the bond is 1.2 to 1.65 A, the torsion up to 120 degrees either way, the ends are bent
    by 25 and atoms moved by 0.03 (C, N) and 0.08 A (H), standard deviations.
    """
    random, made = np.random.default_rng(seed), []
    size = np.array([0.03] * 2 + [0.08] * 4)[:, None]
    for _ in range(count):
        bond, twist = random.uniform(1.2, 1.65), random.uniform(-120, 120)
        bends = random.normal() * 25, random.normal() * 25
        made.append(shaped(ROUGH, twist, bond, bends) + random.normal(size=(6, 3)) * size)
    return np.array(made)


def trajectories(walkers: int = 90, starts: int = 90, seed: int = 5, **options: Any) -> Any:
    """Molecules from the ground state's Wigner distribution, lifted to the upper surface."""
    begin = wigner(starts, seed)
    chosen = {"duration": DURATION, "time_step": TIME_STEP, **options}
    return SurfaceHopping(
        Batch.stack(**begin, state=np.ones(starts, np.int64)),
        MASSES,
        walkers,
        scouts=Batch.stack(positions=scouts(20, seed)),
        **chosen,
    )


def committee(**options: Any) -> DiabaticCommittee:
    """Of smooth diabatic matrices, functions of inverse distances."""
    chosen = {"features": "inverse_distances", "hidden": 40, "hop": 1.0, "length": 0.5}
    chosen |= {"starts": 1, "rough": 0.5, "decay": 1e-4, "evaluations": 400}
    return DiabaticCommittee(**{**chosen, **options})
