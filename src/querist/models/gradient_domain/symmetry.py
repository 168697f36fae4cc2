"""Groups of permutations of identical atoms under which a force field shall be symmetric.

The exchange of identical nuclei never changes the energy, so any group is *correct*; which one
is *useful* depends on what the molecule does: a permutation that the trajectories realise (two
mirror wells, a rotating methyl) halves what must be learned, one that they do not only costs
time. A group is an integer array (g, n) with the identity first; the permuted molecule's atom
``i`` is atom ``group[q, i]`` of the original.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MAX_GROUP = 120

# Covalent radii in Angstrom (Cordero et al., Dalton Trans. 2008, 2832), H to Ar, then Br and I.
# fmt: off
_RADII = {
    1: 0.31, 2: 0.28, 3: 1.28, 4: 0.96, 5: 0.84, 6: 0.76, 7: 0.71, 8: 0.66, 9: 0.57, 10: 0.58,
    11: 1.66, 12: 1.41, 13: 1.21, 14: 1.11, 15: 1.07, 16: 1.05, 17: 1.02, 18: 1.06,
    35: 1.20, 53: 1.39,
}
# fmt: on


def identity_group(atoms: int) -> IntArray:
    """The group of the identity alone (1, n)."""
    return np.arange(atoms)[None, :]


def check_group(permutations: IntArray, numbers: IntArray) -> None:
    """Check that permutations form a group that only exchanges identical atoms.

    Raises:
        ValueError: With the rule that does not hold.
    """
    atoms = len(numbers)
    if permutations.ndim != 2 or permutations.shape[1] != atoms or not len(permutations):
        raise ValueError(f"wanted permutations of shape (g, {atoms}), got {permutations.shape}")
    for row in permutations:
        if sorted(row.tolist()) != list(range(atoms)):
            raise ValueError(f"wanted a permutation of 0..{atoms - 1}, got {row.tolist()}")
        if np.any(numbers[row] != numbers):
            raise ValueError(f"permutation {row.tolist()} exchanges atoms of different elements")
    known = {tuple(row) for row in permutations.tolist()}
    products = {tuple(a[b].tolist()) for a in permutations for b in permutations}
    if len(known) != len(permutations) or not products <= known:
        raise ValueError(
            "wanted permutations that form a group, got repeated ones or a product that is not"
            " among them; close_group() completes a set"
        )


def close_group(generators: ArrayLike, limit: int = MAX_GROUP) -> IntArray:
    """The smallest group that contains some permutations.

    Args:
        generators: Permutations (k, n).
        limit: Largest order that is accepted.

    Returns:
        The group (g, n), identity first, then in lexical order.

    Raises:
        ValueError: The group has more than ``limit`` elements.
    """
    steps = np.asarray(generators, dtype=np.int64)
    known = {tuple(range(steps.shape[1]))}
    frontier = list(known)
    while frontier:
        images = {tuple(step[list(old)].tolist()) for old in frontier for step in steps}
        frontier = list(images - known)
        known |= images
        if len(known) > limit:
            raise ValueError(
                f"wanted a group of at most {limit} permutations, got more; cost grows with its"
                " order: give only permutations that the trajectories realise"
            )
    return np.array(sorted(known), dtype=np.int64)


def bonded(numbers: ArrayLike, positions: FloatArray, scale: float = 1.3) -> BoolArray:
    """Which atoms are bonded in any of some geometries.

    The union matters where a bond moves: near the transition state of a proton transfer both
    bonds are there, and only their union has the symmetry of the process.

    Args:
        numbers: Atomic numbers (n,).
        positions: Geometries (T, n, 3) in Angstrom.
        scale: A bond is at most this times the sum of the covalent radii.

    Returns:
        Symmetric adjacency matrix (n, n).

    Raises:
        ValueError: An element's radius is not known here.
    """
    elements = np.asarray(numbers, dtype=np.int64).tolist()
    unknown = sorted(set(elements) - _RADII.keys())
    if unknown:
        raise ValueError(
            f"wanted elements with a covalent radius in the table, got atomic numbers {unknown};"
            " give the permutations yourself"
        )
    radii = np.array([_RADII[number] for number in elements])
    shortest = np.min([_distances(geometry) for geometry in positions], axis=0)
    adjacent = shortest <= scale * (radii[:, None] + radii[None, :])
    np.fill_diagonal(adjacent, False)
    return np.asarray(adjacent)


def graph_group(numbers: ArrayLike, adjacent: BoolArray, limit: int = MAX_GROUP) -> IntArray:
    """All permutations of identical atoms that keep a bonded graph.

    Raises:
        ValueError: There are more than ``limit``.
    """
    return _automorphisms(np.asarray(numbers), np.asarray(adjacent, dtype=np.float64), 0.5, limit)


def geometry_group(
    numbers: ArrayLike, positions: FloatArray, tolerance: float = 0.1, limit: int = MAX_GROUP
) -> IntArray:
    """All permutations of identical atoms that keep the distances of a symmetric geometry.

    Args:
        numbers: Atomic numbers (n,).
        positions: One geometry (n, 3) in Angstrom, such as a symmetric transition state.
        tolerance: Largest change of a distance, in Angstrom.
        limit: Largest order that is accepted.

    Returns:
        The group (g, n).

    Raises:
        ValueError: There are more than ``limit``, or the tolerance is so wide that what it
            accepts is no group.
    """
    elements = np.asarray(numbers)
    found = _automorphisms(elements, _distances(positions), tolerance, limit)
    check_group(found, elements)
    return found


def detect_group(
    numbers: ArrayLike, positions: FloatArray, limit: int = MAX_GROUP, scale: float = 1.3
) -> IntArray:
    """The permutations that a set of geometries suggests, from the union of its bonded graphs.

    Args:
        numbers: Atomic numbers (n,).
        positions: Geometries (T, n, 3) in Angstrom, of the process of interest.
        limit: Largest order that is accepted.
        scale: As for ``bonded``.

    Returns:
        The group (g, n).
    """
    return graph_group(numbers, bonded(numbers, positions, scale), limit)


def _distances(positions: FloatArray) -> FloatArray:
    difference = positions[:, None, :] - positions[None, :, :]
    return np.asarray(np.sqrt((difference**2).sum(axis=-1)))


def _automorphisms(
    numbers: IntArray, weights: FloatArray, tolerance: float, limit: int
) -> IntArray:
    """Permutations that keep the labels of atoms and, within the tolerance, of pairs."""
    found: list[Sequence[int]] = []
    for permutation in _extend([], numbers, weights, tolerance):
        found.append(permutation)
        if len(found) > limit:
            raise ValueError(
                f"wanted at most {limit} permutations, got more; give only those that the"
                " trajectories realise"
            )
    return np.array(found, dtype=np.int64)


def _extend(
    partial: list[int], numbers: IntArray, weights: FloatArray, tolerance: float
) -> Iterator[list[int]]:
    """Depth-first search, atom by atom; lexical order, hence the identity first."""
    atom = len(partial)
    if atom == len(numbers):
        yield partial
        return
    for image in range(len(numbers)):
        if image in partial or numbers[image] != numbers[atom]:
            continue
        change = np.abs(weights[image, partial] - weights[atom, :atom]) if atom else np.zeros(0)
        if np.all(change <= tolerance):
            yield from _extend([*partial, image], numbers, weights, tolerance)
