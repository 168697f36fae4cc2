"""Which atoms are neighbours: directed pairs within a cutoff, in clusters and in periodic cells.

Positions and cells are in Angstrom. A pair ``(i, j)`` has the vector from ``i`` to ``j`` (or to an
image of ``j``); every pair stands there twice, once from each side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.atoms import check_atoms
from querist.core.batch import Batch
from querist.core.errors import UnsupportedSample

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Directed pairs of the atoms of a batch, which are numbered through.

    Attributes:
        atoms: Number of atoms ``N`` of all samples.
        centre: First atom of each pair (P,), ascending.
        neighbour: Second atom (P,).
        vector: From the first to the second (P, 3), in Angstrom.
        distance: Its length (P,), in Angstrom.
    """

    atoms: int
    centre: IntArray
    neighbour: IntArray
    vector: FloatArray
    distance: FloatArray

    def within(self, cutoff: float) -> Pairs:
        """The pairs closer than a smaller cutoff, in Angstrom."""
        keep = self.distance < cutoff
        return Pairs(
            self.atoms,
            self.centre[keep],
            self.neighbour[keep],
            self.vector[keep],
            self.distance[keep],
        )

    def padded(self) -> tuple[IntArray, int]:
        """The place of each pair among those of its first atom (P,), and the largest number."""
        counts = np.bincount(self.centre, minlength=self.atoms)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        slot = np.arange(len(self.centre)) - starts[self.centre]
        return slot, int(counts.max(initial=1))


@dataclass(frozen=True, slots=True)
class Structures:
    """The atoms of a batch, numbered through.

    Attributes:
        numbers: Atomic numbers (N,).
        offsets: Atom ``offsets[s]`` is the first of sample ``s`` (S + 1,).
        volumes: Of the cell of each sample (S,), in Angstrom^3; NaN where there is none.
        pairs: Within the cutoff.
    """

    numbers: IntArray
    offsets: IntArray
    volumes: FloatArray
    pairs: Pairs

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of(cls, batch: Batch, cutoff: float) -> Structures:
        """Find the neighbours in ``S`` samples of the atoms schema.

        Args:
            batch: ``numbers`` and ``positions``, with or without ``cell`` and ``pbc``.
            cutoff: In Angstrom.

        Raises:
            UnsupportedSample: If a sample is not of the atoms schema.
        """
        if not len(batch):
            none = np.zeros(0, np.int64)
            pairs = Pairs(0, none, none, np.zeros((0, 3)), np.zeros(0))
            return cls(none, np.zeros(1, np.int64), np.zeros(0), pairs)
        lacking = [name for name in ("numbers", "positions") if name not in batch]
        if lacking:
            raise UnsupportedSample(f"a local potential needs atoms, but {lacking} are missing.")
        check_atoms(batch.arrays(0))
        flat, offsets = batch.columns["positions"].rows
        numbers = np.asarray(batch.columns["numbers"].data, np.int64)
        if len(numbers) != len(flat):
            raise UnsupportedSample(f"{len(numbers)} atomic numbers of {len(flat)} positions.")
        positions = np.asarray(flat, np.float64)
        parts = list(_parts(batch, positions, offsets, cutoff))
        centre = np.concatenate([part[0] for part in parts])
        order = np.argsort(centre, kind="stable") if len(parts) > 1 else slice(None)
        neighbour = np.concatenate([part[1] for part in parts])[order]
        vector = np.concatenate([part[2] for part in parts])[order]
        distance = np.sqrt(np.einsum("pk,pk->p", vector, vector))
        pairs = Pairs(len(positions), centre[order], neighbour, vector, distance)
        return cls(numbers, offsets, _volumes(batch), pairs)


def _volumes(batch: Batch) -> FloatArray:
    if "cell" not in batch:
        return np.full(len(batch), np.nan)
    volumes = np.abs(np.linalg.det(np.asarray(batch["cell"], np.float64)))
    return np.where(volumes > 0, volumes, np.nan)


Part = tuple[IntArray, IntArray, FloatArray]


def _parts(batch: Batch, positions: FloatArray, offsets: IntArray, cutoff: float) -> Iterator[Part]:
    periodic = np.zeros(len(batch), np.bool_)
    if "pbc" in batch:
        periodic |= np.asarray(batch["pbc"], np.bool_).any(axis=1)
    sizes = np.diff(offsets)
    for size in np.unique(sizes[~periodic]).tolist():
        rows = np.flatnonzero(~periodic & (sizes == size))
        yield _open(positions, offsets[rows], size, cutoff)
    for row in np.flatnonzero(periodic).tolist():
        here = slice(int(offsets[row]), int(offsets[row + 1]))
        cell = np.asarray(batch["cell"][row], np.float64)
        images = _images(cell, np.asarray(batch["pbc"][row], np.bool_), positions[here], cutoff)
        yield _periodic(positions[here], int(offsets[row]), images, cutoff)


def _open(positions: FloatArray, starts: IntArray, size: int, cutoff: float) -> Part:
    """Pairs of several clusters of ``size`` atoms."""
    index = starts[:, None] + np.arange(size)
    here = positions[index]
    vectors = here[:, None, :, :] - here[:, :, None, :]
    squared = np.einsum("...k,...k->...", vectors, vectors)
    squared[:, np.arange(size), np.arange(size)] = np.inf
    which, first, second = np.nonzero(squared < cutoff**2)
    return index[which, first], index[which, second], vectors[which, first, second]


def _images(
    cell: FloatArray, pbc: NDArray[np.bool_], positions: FloatArray, cutoff: float
) -> FloatArray:
    """Translations (m, 3) that may bring an atom within the cutoff of another, in Angstrom."""
    full = cell.copy()
    for axis in np.flatnonzero(~pbc):  # any vector across the others will do
        across = np.cross(full[(axis + 1) % 3], full[(axis + 2) % 3])
        length = np.linalg.norm(across)
        full[axis] = across / length if length > 0 else np.eye(3)[axis]
    if abs(np.linalg.det(full)) < 1e-12:
        raise UnsupportedSample(f"a periodic cell without a volume: {cell.tolist()}.")
    scaled = positions @ np.linalg.inv(full)
    spread = np.ptp(scaled, axis=0) if len(scaled) else np.zeros(3)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(full), axis=0)
    reach = np.where(pbc, np.ceil(cutoff / heights + spread), 0).astype(int)
    ranges = [range(-int(n), int(n) + 1) for n in reach]
    return np.array(list(itertools.product(*ranges)), np.float64) @ full


def _periodic(positions: FloatArray, start: int, images: FloatArray, cutoff: float) -> Part:
    """Pairs of one periodic sample; an atom's own images are its neighbours too."""
    found: list[Part] = []
    for atom, here in enumerate(positions):  # one row at a time: memory stays small
        vectors = positions[:, None, :] + images[None] - here
        squared = np.einsum("...k,...k->...", vectors, vectors)
        second, image = np.nonzero((squared < cutoff**2) & (squared > 1e-12))
        first = np.full(len(second), start + atom, np.int64)
        found.append((first, start + second, vectors[second, image]))
    first, second, vector = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return first, second, vector
