"""Ions between two walls in the primitive model: what is asked, how large a box, what must hold.

Charged spheres in a continuum with the permittivity of water at 298 K, between two uncharged walls
a confinement length apart (Jing, Jadhao, Zwanikken & Olvera de la Cruz, J. Chem. Phys. 143, 194508,
2015; a network for it: Kadupitiya, Sun, Fox & Jadhao, J. Comput. Sci. 42, 101107, 2020). Lengths in
nm, energies in kT, densities in mol/l.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BJERRUM = 0.714  # nm, water at 298 K
AVOGADRO = 0.60221  # particles in a cubic nm at one mol/l
BINS = 48  # of the scaled profile, even
IONS = 60  # about so many in all
LOW = {"length": 3.0, "concentration": 0.3, "diameter": 0.5}
HIGH = {"length": 4.0, "concentration": 0.9, "diameter": 0.75}
VALENCIES = ((1, 1), (2, 1), (3, 1), (1, 2), (2, 2))  # cation, anion
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slit:
    """One question.

    Attributes:
        length: Between the walls, nm.
        cation, anion: Valencies, both above zero.
        concentration: Of formula units, mol/l, over the whole gap.
        diameter: Of all ions, nm.
    """

    length: float
    cation: int
    anion: int
    concentration: float
    diameter: float

    @property
    def counts(self) -> tuple[int, int]:
        """Cations and anions, neutral together."""
        common = math.gcd(self.cation, self.anion)
        each = (self.anion // common, self.cation // common)
        units = max(2, round(IONS / sum(each)))
        return units * each[0], units * each[1]

    @property
    def side(self) -> float:
        """Of the periodic box along the walls, nm."""
        common = math.gcd(self.cation, self.anion)
        units = self.counts[0] * common // self.anion
        return math.sqrt(units / (AVOGADRO * self.concentration * self.length))

    @property
    def charges(self) -> Floats:
        """``(n,)`` valencies with their sign, cations first."""
        plus, minus = self.counts
        return np.array([self.cation] * plus + [-self.anion] * minus, float)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Mean numbers of cations and anions by bin, ``(2, BINS)``, in each half of the sampling."""

    first: Floats
    second: Floats
    samples: int

    def both(self) -> Floats:
        """``(2, BINS)`` mean numbers of all of the sampling."""
        return (self.first + self.second) / 2.0


def refused(slit: Slit, counted: Counted) -> str:
    """Why an answer is no good; "" where it is.

    Neutral: all ions are between the walls. Symmetric: the two sides agree. Converged: the two
    halves of the sampling agree. The last two compare differences to the profile itself.
    """
    found = counted.both()
    plus, minus = found.sum(axis=1)
    if abs(plus * slit.cation - minus * slit.anion) > 1e-6 * slit.cation * sum(slit.counts):
        return f"the gap is not neutral: {plus:.3f} cations, {minus:.3f} anions"
    if abs(plus - slit.counts[0]) > 1e-6:
        return f"ions left the gap: {plus:.3f} of {slit.counts[0]} cations are counted"
    uneven = difference(found, found[:, ::-1])
    if uneven > 0.25:
        return f"the profile is not symmetric: its sides differ by {uneven:.0%}"
    blocks = difference(symmetric(counted.first), symmetric(counted.second))
    if blocks > 0.2:
        return f"the run is too short: its halves differ by {blocks:.0%}"
    return ""


def symmetric(profile: Floats) -> Floats:
    """The mean of a profile and its mirror image."""
    return (profile + profile[:, ::-1]) / 2.0


def difference(one: Floats, other: Floats) -> float:
    """Mean absolute difference of two profiles of cations over their mean."""
    return float(np.abs(one[0] - other[0]).sum() / one[0].sum())


def outputs(slit: Slit, counted: Counted) -> dict[str, float | Floats]:
    """Densities of cations: the symmetric profile over the scaled gap, and three numbers of it.

    Returns:
        ``profile``, ``(BINS // 2,)`` mol/l from a wall to the middle; ``contact``, the density
        where an ion touches the wall; ``peak``, the greatest; ``midplane``, around the middle.
    """
    volume = slit.side**2 * slit.length / BINS
    profile = symmetric(counted.both())[0] / (volume * AVOGADRO)
    half = profile[: BINS // 2]
    touching = slit.diameter / 2.0 / slit.length * BINS
    at = min(int(touching + 0.5), len(half) - 2)
    smooth = np.convolve(half, [0.25, 0.5, 0.25], mode="valid")
    return {
        "profile": half,
        "contact": float(half[at : at + 2].mean()),
        "peak": float(smooth.max()),
        "midplane": float(half[-6:].mean()),
    }


def drawn(count: int, seed: int) -> dict[str, Floats]:
    """``count`` questions at random, by name: ``(count,)`` each."""
    rng = np.random.default_rng(seed)
    found = {name: rng.uniform(LOW[name], HIGH[name], count) for name in LOW}
    pairs = np.array(VALENCIES)[rng.integers(len(VALENCIES), size=count)]
    return {**found, "cation": pairs[:, 0].astype(float), "anion": pairs[:, 1].astype(float)}


def slit_of(told: Mapping[str, float]) -> Slit:
    """From numbers by name."""
    return Slit(
        float(told["length"]),
        round(float(told["cation"])),
        round(float(told["anion"])),
        float(told["concentration"]),
        float(told["diameter"]),
    )


def starting(slit: Slit, rng: np.random.Generator) -> Floats:
    """``(n, 3)`` places on a lattice in the gap, in random order, nm."""
    count, side = sum(slit.counts), slit.side
    room = slit.length - slit.diameter
    layers = max(1, min(int(room / slit.diameter), round((count * room**2 / side**2) ** (1 / 3))))
    across = math.ceil(math.sqrt(count / layers))
    grid = np.array(
        [(x, y, z) for z in range(layers) for x in range(across) for y in range(across)]
    )
    places = (grid + 0.5) / [across, across, layers] * [side, side, room]
    places[:, 2] += slit.diameter / 2.0
    return places[rng.permutation(len(places))[:count]]
