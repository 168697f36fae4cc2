"""What surrounds an atom, as numbers that rotation, translation and exchange do not change.

For each atom ``i`` the moments ``A[c, abc] = sum_j R_c(r_ij) u_x^a u_y^b u_z^c`` of its neighbours
(``u`` the direction to the neighbour) are contracted to

* pair functions ``sum_j R_k(r_ij)``, which may reach farther than all others,
* ``P[c, c', l] = sum_jk R_c(r_ij) R_c'(r_ik) (u_ij . u_ik)^l``, which know distances and angles,
* and products ``A[a, 0] P[c, c', l]`` of the first few channels, of four atoms at a time.

These are moment tensors (Shapeev, Multiscale Model. Simul. 14, 1153, 2016) and the first terms of
the atomic cluster expansion (Drautz, Phys. Rev. B 99, 014104, 2019). A potential is linear in them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError

from .pairs import IntArray
from .radial import Radial

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Basis:
    """Which functions of an atom's surroundings there are.

    Attributes:
        distance: Typical distance of nearest neighbours, in Angstrom: the unit of the others.
        inner: Where radial functions begin, in units of ``distance``.
        cutoff: Where those of more than two atoms end, likewise.
        pair_cutoff: Where pair functions end, likewise.
        pairs: Number of pair functions for each element of the neighbour.
        channels: Number of radial functions of the moments, likewise.
        degree: Largest power ``l`` of the cosine between two neighbours.
        triples: Channels of which products with the moments are formed; 0 for none.
        elements: Atomic numbers that may occur, ascending.
    """

    distance: float
    inner: float = 0.75
    cutoff: float = 1.8
    pair_cutoff: float = 2.5
    pairs: int = 10
    channels: int = 5
    degree: int = 3
    triples: int = 2
    elements: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        if not 0.0 < self.inner < self.cutoff <= self.pair_cutoff or not self.distance > 0.0:
            raise ConfigError(
                "a local basis wants distance > 0 and 0 < inner < cutoff <= pair_cutoff, but got "
                f"{self.distance}, {self.inner}, {self.cutoff} and {self.pair_cutoff}."
            )
        if min(self.pairs, self.channels) < 1 or min(self.degree, self.triples) < 0:
            raise ConfigError(
                "a local basis wants at least one pair function and one channel, but got "
                f"pairs={self.pairs}, channels={self.channels}, degree={self.degree}, "
                f"triples={self.triples}."
            )

    @property
    def reach(self) -> float:
        """The largest cutoff, in Angstrom."""
        return self.pair_cutoff * self.distance

    @property
    def near(self) -> float:
        """The cutoff of the moments, in Angstrom."""
        return self.cutoff * self.distance

    @property
    def pair_radial(self) -> Radial:
        """The radial part of pair functions."""
        return Radial(self.pairs, self.inner * self.distance, self.reach)

    @property
    def radial(self) -> Radial:
        """The radial part of the moments."""
        return Radial(self.channels, self.inner * self.distance, self.near)

    @property
    def table(self) -> Table:
        """Which products there are."""
        return _table(self.channels, len(self.elements), self.degree, self.triples)

    @property
    def features(self) -> int:
        """Numbers that describe one atom ``F``; the last is 1."""
        table = self.table
        return self.pairs * len(self.elements) + table.doubles + len(table.one) + 1

    @property
    def weights(self) -> int:
        """Numbers of a potential: for each element of the atom in the middle, ``features``."""
        return self.features * len(self.elements)

    def as_json(self) -> dict[str, Any]:
        """For a state."""
        return {**asdict(self), "elements": list(self.elements)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Basis:
        """What :meth:`as_json` wrote."""
        return cls(**{**data, "elements": tuple(data["elements"])})


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Moments and their products.

    Attributes:
        powers: Powers of the components of the direction of each moment (M, 3).
        weight: Multinomial weight of each moment (M,), with which their products add up to powers
            of a cosine.
        levels: Moments of each degree.
        lowering: Derivative of a moment's product by each component, as multiples of the products
            (M, 3, M).
        first, second: Channels of each product of two, of one degree (D,).
        one, two: Channel and product of two, of each product of three (T,).
    """

    powers: IntArray
    weight: FloatArray
    levels: tuple[slice, ...]
    lowering: FloatArray
    first: IntArray
    second: IntArray
    one: IntArray
    two: IntArray

    @property
    def doubles(self) -> int:
        """Number of products of two, of all degrees."""
        return len(self.first) * len(self.levels)


@lru_cache(maxsize=32)
def _table(channels: int, elements: int, degree: int, triples: int) -> Table:
    powers: list[tuple[int, ...]] = []
    weight: list[float] = []
    levels = []
    for level in range(degree + 1):
        start = len(powers)
        for a, b in itertools.product(range(level, -1, -1), repeat=2):
            if a + b <= level:
                powers.append((a, b, level - a - b))
                parts = math.prod(map(math.factorial, powers[-1]))
                weight.append(math.factorial(level) / parts)
        levels.append(slice(start, len(powers)))
    first, second = np.triu_indices(channels * elements)
    few = [c for c in range(channels * elements) if c % channels < triples]
    one, two = [], []
    for level in range(degree + 1):
        for row, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            for c in few if a in few and b in few else ():
                if level or c >= b:  # of densities alone, each product once
                    one.append(c)
                    two.append(level * len(first) + row)
    return Table(
        np.array(powers, np.int64),
        np.array(weight),
        tuple(levels),
        _lowering(powers),
        first,
        second,
        np.array(one, np.int64),
        np.array(two, np.int64),
    )


def _lowering(powers: list[tuple[int, ...]]) -> FloatArray:
    found = np.zeros((len(powers), 3, len(powers)))
    for m, power in enumerate(powers):
        for axis in range(3):
            if power[axis]:
                lower = tuple(p - (k == axis) for k, p in enumerate(power))
                found[m, axis, powers.index(lower)] = power[axis]
    return found
