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
from functools import cache

import numpy as np
from numpy.typing import NDArray

BJERRUM = 0.714  # nm, water at 298 K
AVOGADRO = 0.60221  # particles in a cubic nm at one mol/l
BINS = 149  # of the scaled profile, odd, so that one is in the middle
IONS = 60  # about so many in all
SMOOTH = 0.2  # nm, below which a profile's shape is known from forces alone
MIDDLE = 15  # bins around the middle
UNEVEN, BLOCKS = 0.12, 0.1  # the largest differences of sides, and of halves
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
    """Means over half of the sampling, by bin.

    Attributes:
        numbers: ``(2, BINS)`` of cations and anions.
        pulls: ``(2, BINS)`` sum of the forces on them across the gap, kT/nm.
    """

    numbers: Floats
    pulls: Floats

    def __add__(self, other: Counted) -> Counted:
        """The mean of two halves."""
        numbers, pulls = self.numbers + other.numbers, self.pulls + other.pulls
        return Counted(numbers / 2.0, pulls / 2.0)


Halves = tuple[Counted, Counted]


def density(slit: Slit, counted: Counted) -> Floats:
    """``(BINS,)`` density of the cations, mol/l, each side by itself.

    In equilibrium the slope of a density is the mean force on what is there, over kT. Integrated
    forces give the fine structure with less noise than counting does, and counting the coarse one
    (Borgis, Assaraf, Rotenberg & Vuilleumier, Mol. Phys. 111, 3486, 2013; both together: Coles,
    Mangaud, Frenkel & Rotenberg, J. Chem. Phys. 154, 191101, 2021). Both are the same profile, so
    that the smooth part of one and the rest of the other are it as well.
    """
    area = slit.side**2 * AVOGADRO
    plain = counted.numbers[0] / (area * slit.length / BINS)
    steps = counted.pulls[0] / area
    rise = np.cumsum(steps) - steps / 2.0  # from the left wall, where it is zero
    pulled = rise - steps.sum() / 2.0  # the mean of that and of the same from the right
    blur = blurred(slit.length)
    return blur @ plain + pulled - blur @ pulled


@cache
def blurred(length: float) -> Floats:
    """``(BINS, BINS)`` weights of a Gaussian of width ``SMOOTH``; beyond the walls is nothing."""
    places = (np.arange(BINS) + 0.5) * length / BINS
    away = (places[:, None] - places) / SMOOTH
    weights = np.exp(-(away**2) / 2.0)
    found: Floats = weights * length / BINS / (SMOOTH * math.sqrt(2.0 * math.pi))
    return found


def refused(slit: Slit, halves: Halves) -> str:
    """Why an answer is no good; "" where it is.

    Neutral: all ions are between the walls. Symmetric: the two sides agree. Converged: the two
    halves of the sampling agree. The last two compare differences to the profile itself.
    """
    both = halves[0] + halves[1]
    plus, minus = both.numbers.sum(axis=1)
    if abs(plus * slit.cation - minus * slit.anion) > 1e-6 * slit.cation * sum(slit.counts):
        return f"the gap is not neutral: {plus:.3f} cations, {minus:.3f} anions"
    if abs(plus - slit.counts[0]) > 1e-6:
        return f"ions left the gap: {plus:.3f} of {slit.counts[0]} cations are counted"
    profile = density(slit, both)
    uneven = difference(profile, profile[::-1])
    if uneven > UNEVEN:
        return f"the profile is not symmetric: its sides differ by {uneven:.0%}"
    blocks = difference(*(symmetric(density(slit, half)) for half in halves))
    if blocks > BLOCKS:
        return f"the run is too short: its halves differ by {blocks:.0%}"
    return ""


def symmetric(profile: Floats) -> Floats:
    """The mean of a profile and its mirror image."""
    return (profile + profile[::-1]) / 2.0


def difference(one: Floats, other: Floats) -> float:
    """Mean absolute difference of two profiles over the mean of the first."""
    return float(np.abs(one - other).sum() / one.sum())


def outputs(slit: Slit, halves: Halves) -> dict[str, float | Floats]:
    """Densities of cations, mol/l: the symmetric profile, and what is read off it.

    Returns:
        ``profile``, ``(BINS,)`` at :func:`places`; ``contact``, its ends, where a wall begins to
        repel an ion; ``peak``, the greatest; ``midplane``, the mean around the middle.
    """
    found = symmetric(density(slit, halves[0] + halves[1]))
    centres = (np.arange(BINS) + 0.5) * slit.length / BINS
    profile = np.interp(places(slit.length, slit.diameter), centres, found)
    return {
        "profile": profile,
        "contact": float(profile[0]),
        "peak": float(profile.max()),
        "midplane": float(profile[(BINS - MIDDLE) // 2 : (BINS + MIDDLE) // 2].mean()),
    }


def places(length: float, diameter: float) -> Floats:
    """``(BINS,)`` evenly from where one wall begins to repel to where the other does, nm.

    Beyond, a profile falls by the repulsion alone. Scaled so, profiles of all gaps and ions begin
    at the same place, which makes them smooth functions of the inputs.
    """
    touching = 2.0 ** (1.0 / 6.0) * diameter / 2.0
    return np.linspace(touching, length - touching, BINS)


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
