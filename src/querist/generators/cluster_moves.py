"""Geometries of clusters: random ones, kicked ones, and children of two parents. In Angstrom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_ATTEMPTS = 2000
_UP = np.array([0.0, 0.0, 1.0])
_CLOSEST = 0.75  # of the typical distance: what a move may leave between two atoms
_BOND = 1.3  # of the typical distance: nearer atoms are neighbours
_ROOM = 0.85  # of the typical distance: what a free site keeps from all atoms


def random_cluster(
    rng: np.random.Generator, atoms: int, distance: float, closest: float = 0.85
) -> FloatArray:
    """Atoms at random in a ball a little larger than a compact cluster's.

    Args:
        rng: Randomness.
        atoms: How many ``n``.
        distance: Typical distance of nearest neighbours, in Angstrom.
        closest: Least distance of two atoms, in units of ``distance``.

    Returns:
        Positions (n, 3), centred.
    """
    # Spheres of this diameter, packed as densely as can be, fill 74 % of space.
    radius = 0.5 * distance * (atoms / 0.74) ** (1 / 3) * 1.2
    placed = np.zeros((0, 3))
    for attempt in range(1, 1_000_000):
        if attempt % _ATTEMPTS == 0:
            radius *= 1.05  # too full
        point = rng.uniform(-radius, radius, 3)
        if np.linalg.norm(point) > radius:
            continue
        if not len(placed) or np.linalg.norm(placed - point, axis=1).min() > closest * distance:
            placed = np.vstack([placed, point])
            if len(placed) == atoms:
                break
    return np.asarray(placed - placed.mean(axis=0))


def kicked(
    rng: np.random.Generator, positions: FloatArray, step: float, distance: float = 0.0
) -> FloatArray:
    """Every coordinate displaced uniformly by at most ``step`` Angstrom.

    Li and Scheraga, Proc. Natl. Acad. Sci. 84, 6611, 1987; Wales and Doye, J. Phys. Chem. A 101,
    5111, 1997. Atoms that leave the ball around the cluster come back to its surface; with a
    typical ``distance`` of nearest neighbours, those that come too close to each other are moved
    apart, since of larger clusters nearly every kick has such, of which a model knows nothing.
    """
    moved = positions + rng.uniform(-step, step, positions.shape)
    centred = moved - moved.mean(axis=0)
    largest = np.linalg.norm(positions - positions.mean(axis=0), axis=1).max()
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return parted(centred * np.minimum(1.0, largest / np.maximum(lengths, 1e-12)), distance)


def parted(positions: FloatArray, distance: float) -> FloatArray:
    """Atoms that are too close to each other, for this typical ``distance``, moved apart (n, 3)."""
    least = _CLOSEST * distance
    for _ in range(100):
        vectors = positions[:, None] - positions[None]
        lengths = np.linalg.norm(vectors, axis=2)
        np.fill_diagonal(lengths, np.inf)
        if lengths.min() >= least:
            break
        lack = np.maximum(0.0, 1.01 * least - lengths) / np.maximum(lengths, 1e-9)
        positions = positions + 0.5 * np.einsum("ij,ijk->ik", lack, vectors)
    return np.asarray(positions)


def rotated(rng: np.random.Generator, positions: FloatArray) -> FloatArray:
    """Centred and turned at random (uniformly, by a random quaternion: Shoemake 1992)."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    matrix = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.asarray((positions - positions.mean(axis=0)) @ matrix.T)


def spliced(
    rng: np.random.Generator, one: FloatArray, other: FloatArray, distance: float
) -> FloatArray:
    """The upper part of one parent on the lower part of another, both turned at random.

    Deaven and Ho, Phys. Rev. Lett. 75, 288, 1995. The halves are drawn apart until no two atoms are
    too close.

    Args:
        rng: Randomness.
        one: A parent (n, 3).
        other: A parent (n, 3).
        distance: Typical distance of nearest neighbours, in Angstrom.

    Returns:
        A child (n, 3), centred.
    """
    atoms = len(one)
    first, second = rotated(rng, one), rotated(rng, other)
    first, second = (part[np.argsort(part[:, 2])] for part in (first, second))
    cut = int(rng.integers(max(1, atoms // 4), max(2, atoms - atoms // 4)))
    planes = [0.5 * (part[cut - 1, 2] + part[cut, 2]) for part in (first, second)]
    upper, lower = first[cut:], second[:cut]
    upper = upper + _UP * (planes[1] - planes[0])
    while np.linalg.norm(upper[:, None] - lower[None], axis=2).min() < _CLOSEST * distance:
        upper = upper + _UP * (0.05 * distance)
    child = np.vstack([upper, lower])
    return np.asarray(child - child.mean(axis=0))


def free_sites(positions: FloatArray, distance: float) -> tuple[FloatArray, FloatArray]:
    """Where one more atom would touch three neighbours.

    Args:
        positions: Of the atoms (n, 3).
        distance: Typical distance of nearest neighbours, in Angstrom.

    Returns:
        Places (m, 3), and how many neighbours each would have (m,).
    """
    between = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    near = (between < _BOND * distance) & ~np.eye(len(positions), dtype=bool)
    first, second = np.nonzero(np.triu(near))
    later = np.arange(len(positions)) > second[:, None]
    pair, third = np.nonzero(near[first] & near[second] & later)
    origin = positions[first[pair]]
    a, b = positions[second[pair]] - origin, positions[third] - origin
    normal = np.cross(a, b)
    square = (normal**2).sum(axis=1, keepdims=True)
    offset = np.cross(normal, a) * (b**2).sum(axis=1, keepdims=True)
    offset += np.cross(b, normal) * (a**2).sum(axis=1, keepdims=True)
    offset /= 2.0 * np.maximum(square, 1e-12)
    height = np.sqrt(np.maximum(distance**2 - (offset**2).sum(axis=1, keepdims=True), 0.0))
    up = height * normal / np.sqrt(np.maximum(square, 1e-12))
    places = np.concatenate([origin + offset + up, origin + offset - up])
    away = np.linalg.norm(places[:, None] - positions[None], axis=2)
    free = away.min(axis=1, initial=np.inf) > _ROOM * distance
    return places[free], (away[free] < _BOND * distance).sum(axis=1).astype(np.float64)


def resurfaced(rng: np.random.Generator, positions: FloatArray, distance: float) -> FloatArray:
    """Some of the loosest atoms, at most a sixth of all, put on the best free sites.

    As in dynamic lattice searching: Shao, Cheng and Cai, J. Comput. Chem. 25, 1693, 2004; with
    numbers of neighbours in place of energies, which chance may change by a little more than one.

    Args:
        rng: Randomness.
        positions: Of the atoms (n, 3).
        distance: Typical distance of nearest neighbours, in Angstrom.

    Returns:
        Positions (n, 3), centred.
    """
    between = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    bonds = (between < _BOND * distance).sum(axis=1) + rng.uniform(0.0, 1.2, len(positions))
    order = np.argsort(bonds)
    count = int(rng.integers(1, max(1, len(positions) // 6) + 1))
    gone, kept = positions[order[:count]], np.delete(positions, order[:count], axis=0)
    for number in range(count):
        places, touching = free_sites(kept, distance)
        if not number and len(places):  # else it could all be as it was
            away = np.linalg.norm(places[:, None] - gone[None], axis=2).min(axis=1)
            places, touching = places[away > 0.5 * distance], touching[away > 0.5 * distance]
        if not len(places):
            return kicked(rng, positions, 0.36 * distance, distance)
        best = int(np.argmax(touching + rng.uniform(0.0, 1.2, len(places))))
        kept = np.vstack([kept, places[best]])
    return np.asarray(kept - kept.mean(axis=0))
