"""Points to begin with, points at random, and points near others; none that was tried."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from querist.tuning.bounded import BoundedSpace
from querist.tuning.candidates import CandidateSpace
from querist.tuning.roaming import Roaming
from querist.tuning.space import Space, Values

FINITE = 4096  # points that are listed instead of drawn
STEPS = (0.25, 0.08, 0.025, 0.008)


class Drawing:
    """Draws points of a space; where sums are bounded, of what is allowed.

    Args:
        space: Where.
        seed: Of everything random.
    """

    def __init__(self, space: Space, seed: int) -> None:
        from scipy.stats import qmc

        self.space, self.rng = space, np.random.default_rng(seed)
        self._sobol = qmc.Sobol(len(space), rng=np.random.default_rng([seed, 1]))
        listed = isinstance(space, CandidateSpace) or space.size <= FINITE
        self._all = list(space.all()) if listed else None
        self._roaming: Roaming | None = None
        if isinstance(space, BoundedSpace):
            self._roaming = Roaming(space.region, seed)
            self._columns = [list(space.settings).index(name) for name in space.region.names]

    def even(self, count: int) -> NDArray[np.float64]:
        """``(count, d)`` next coordinates of one sequence that covers the space evenly."""
        with warnings.catch_warnings():  # that any number but a power of two is less balanced
            warnings.simplefilter("ignore")
            found = np.asarray(self._sobol.random(count))
        if self._roaming is not None:
            found[:, self._columns] = self._roaming.even(count)
        return found

    def random(self) -> NDArray[np.float64]:
        """``(d,)`` coordinates at random."""
        found = self.rng.random(len(self.space))
        if self._roaming is not None:
            found[self._columns] = self._roaming.draw(1)[0]
        return found

    @property
    def listed(self) -> bool:
        """Whether :meth:`candidates` gives all that is left."""
        return self._all is not None

    def next_even(self, tried: set[str]) -> Values | None:
        """The next point of the sequence that was not tried; None where hardly any is left."""
        for _ in range(64):
            for place in self.even(1):
                values = self.space.point(place)
                if self.space.key(values) not in tried:
                    return values
        return self.any(tried)

    def any(self, tried: set[str]) -> Values | None:
        """A point at random that was not tried."""
        if self._all is not None:
            left = [values for values in self._all if self.space.key(values) not in tried]
            return left[int(self.rng.integers(len(left)))] if left else None
        for _ in range(1000):
            values = self.space.point(self.random())
            if self.space.key(values) not in tried:
                return values
        return None

    def candidates(self, count: int, around: Sequence[Values], tried: set[str]) -> list[Values]:
        """Untried points: all of a small space, else some everywhere and some near good ones."""
        if self._all is not None:
            return list(self._fresh(self._all, tried))
        everywhere = (self.space.point(place) for place in self.even(count))
        return list(self._fresh([*everywhere, *self.near(around, 24)], tried))

    def near(self, points: Sequence[Values], each: int) -> Iterator[Values]:
        """Points near others, at several distances; now and then one setting is drawn anew."""
        for values in points:
            centre = self.space.places(values)
            for number in range(each):
                step = STEPS[number % len(STEPS)]
                moved = centre + step * self.rng.standard_normal(len(centre))
                chosen = self.rng.random(len(centre)) < max(0.3, 1.5 / len(centre))
                place = np.where(chosen, moved, centre)
                anew = self.rng.random(len(centre)) < 0.15
                place = np.where(anew, self.rng.random(len(centre)), place)
                yield self.space.point(np.clip(place, 0.0, 1.0))

    def _fresh(self, points: Iterable[Values], tried: set[str]) -> Iterator[Values]:
        seen = set(tried)
        for values in points:
            key = self.space.key(values)
            if key not in seen:
                seen.add(key)
                yield values
