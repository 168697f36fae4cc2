"""Points at random, and points that spread evenly, where sums of settings are bounded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from querist.tuning.region import Floats, Region

TRIED = 4096  # places of the box at a time
SHARE = 0.02  # of them inside, below which a walk is faster
WALKERS = 64
SHRUNK = 60  # times that a step is shortened, at most
POOL = 1024  # points of which some are chosen so that they spread evenly
BURN = 30  # steps of each walker and free setting before the first point that counts


@dataclass(slots=True, eq=False)
class _Pool:
    """Places at random, taken in an order in which those so far are always near an even spread.

    In energy distance (support points, Mak & Joseph 2018): each time the one that lowers it most.

    Attributes:
        places: ``(n, k)``.
        apart: ``(n, n)`` distances.
        mean: ``(n,)`` mean distance to all; infinite once a place was taken.
        taken: ``(n,)`` sum of distances to those that were taken.
        row: The next one; at first any, so that seeds differ.
        count: How many were taken.
    """

    places: Floats
    apart: Floats
    mean: Floats
    taken: Floats
    row: int = 0
    count: int = 0

    @classmethod
    def of(cls, places: Floats) -> _Pool:
        apart = np.stack([np.linalg.norm(places - one, axis=1) for one in places])
        return cls(places, apart, apart.mean(axis=1), np.zeros(len(places)))

    @property
    def spent(self) -> bool:
        return self.count == len(self.places)

    def next(self) -> Floats:
        found = self.places[self.row]
        self.taken += self.apart[self.row]
        self.mean[self.row], self.count = np.inf, self.count + 1
        self.row = int(np.argmin(self.mean - self.taken / (self.count + 1)))
        return np.asarray(found)


class Roaming:
    """Draws places of the settings of a region, as even over their scales as the region allows.

    Where a fair part of the box around the region is inside, its places are tried. Else walkers
    hit and run (Smith 1984): a step goes to an even place on a line through the region, shortened
    towards the walker until it is inside, which leaves the even distribution as it is on any scale
    (Neal 2003, section 4). Lines are drawn at random, or between two of the other half of the
    walkers (as by Goodman & Weare 2010), so that thin regions are crossed lengthwise.

    Args:
        region: Where.
        seed: Of the draws.
        walks: Whether walkers do it in any case.
    """

    def __init__(self, region: Region, seed: int, walks: bool = False) -> None:
        self.region = region
        self._rng, self._walks = np.random.default_rng([seed, 6]), walks
        self._low, self._high = region.box
        self._left = np.zeros((0, len(region.names)))
        self._walkers: Floats | None = None
        self._pool: _Pool | None = None

    def draw(self, count: int) -> Floats:
        """``(count, k)`` places at random."""
        parts, found = [self._left], len(self._left)
        while found < count:
            parts.append(self._block())
            found += len(parts[-1])
        every = np.concatenate(parts)
        self._left = every[count:]
        return every[:count]

    def even(self, count: int) -> Floats:
        """``(count, k)`` next places of one sequence that spreads evenly."""
        found: list[Floats] = []
        while len(found) < count:
            if self._pool is None or self._pool.spent:
                self._pool = _Pool.of(self.draw(POOL))
            found.append(self._pool.next())
        return np.array(found)

    def _block(self) -> Floats:
        """Some more places at random."""
        if not self._walks:
            u = self._low + self._rng.random((TRIED, len(self._low))) * (self._high - self._low)
            good = self._inside(u)
            if good.mean() >= SHARE:
                return self._places(u[good])
            self._walks = True
        return self._places(self._rng.permutation(self._walked()))

    def _inside(self, u: Floats) -> np.ndarray:
        return self.region.inside(self._whole(u))

    def _whole(self, u: Floats) -> Floats:
        """``(n, k)`` coordinates at places of the free settings."""
        z = np.zeros((len(u), len(self.region.names)))
        z[:, self.region.free] = self.region.at(u, self.region.free)
        return self.region.completed(z)

    def _places(self, u: Floats) -> Floats:
        return self.region.places(self._whole(u))

    def _walked(self) -> Floats:
        """``(w, f)`` places of all walkers, after some more steps."""
        width, u = len(self._low), self._walkers
        steps = max(8, 6 * width) + (BURN * width if u is None else 0)
        u = self._started() if u is None else u
        for _ in range(steps):
            u = self._stepped(u)
        self._walkers = u
        return u

    def _started(self) -> Floats:
        """``(w, f)`` places of walkers: between corners of the region, else in its centre."""
        region = self.region
        corners = np.concatenate([region.corners, region.centre[None]])
        z = self._rng.dirichlet(np.ones(len(corners)), WALKERS) @ corners
        u = np.clip(region.places(z)[:, region.free], self._low, self._high)
        centre = region.places(region.centre[None])[:, region.free]
        return np.where(self._inside(u)[:, None], u, centre)

    def _stepped(self, u: Floats) -> Floats:
        """Each half after the other, along lines that the other one tells."""
        found, half = u.copy(), WALKERS // 2
        for own, other in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
            found[own] = self._shortened(found[own], self._lines(found[other]))
        return found

    def _lines(self, others: Floats) -> Floats:
        one, two = (self._rng.integers(len(others), size=len(others)) for _ in range(2))
        free = self._rng.standard_normal(others.shape) * (self._high - self._low)
        lines = others[one] - others[two]
        lost = (np.abs(lines).max(axis=1) < 1e-12) | (self._rng.random(len(others)) < 0.5)
        return np.where(lost[:, None], free, lines)

    def _shortened(self, u: Floats, lines: Floats) -> Floats:
        back, on = self._ends(u, lines)
        found, left = u.copy(), np.arange(len(u))
        for _ in range(SHRUNK):
            steps = back[left] + self._rng.random(len(left)) * (on[left] - back[left])
            moved = np.clip(u[left] + steps[:, None] * lines[left], self._low, self._high)
            good = self._inside(moved)
            found[left[good]] = moved[good]
            left, steps = left[~good], steps[~good]
            if not len(left):
                break
            back[left] = np.where(steps < 0.0, steps, back[left])
            on[left] = np.where(steps > 0.0, steps, on[left])
        return found

    def _ends(self, u: Floats, lines: Floats) -> tuple[Floats, Floats]:
        """``(n,)`` steps back and on along lines to the ends of the box, or of the region."""
        room = [u - self._low, self._high - u]
        ways = [-lines, lines]
        if self.region.straight is not None:
            rows, bounds = self.region.straight
            room.append(bounds - u @ rows.T)
            ways.append(lines @ rows.T)
        left, way = np.maximum(np.hstack(room), 0.0), np.hstack(ways)
        with np.errstate(divide="ignore", invalid="ignore"):
            on = np.where(way > 0.0, left / way, np.inf).min(axis=1)
            back = np.where(way < 0.0, left / way, -np.inf).max(axis=1)
        return back, on
