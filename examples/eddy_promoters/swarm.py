"""A particle swarm that is asked for points and told their values.

Kennedy and Eberhart, Proc. ICNN 1995, 1942, with the constriction of Clerc and Kennedy (IEEE Trans.
Evol. Comput. 6, 58, 2002): ``v = 0.7298 (v + 2.05 r1 (own best - x) + 2.05 r2 (best - x))``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
INERTIA, PULL = 0.7298, 0.7298 * 2.05


class Swarm:
    """Particles in a box that look for the lowest value.

    A swarm that has drawn together begins anew elsewhere, so that it goes on exploring.

    Args:
        low, high: ``(d,)`` bounds.
        particles: How many.
        whole: Numbers of the coordinates that are rounded where points are asked for.
        seed: Of its randomness.
        small: It has drawn together when no coordinate spreads over more than this share.
    """

    def __init__(
        self,
        low: Sequence[float],
        high: Sequence[float],
        particles: int = 12,
        whole: Sequence[int] = (),
        seed: int = 0,
        small: float = 0.02,
    ) -> None:
        self.low, self.high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        self.particles, self.whole, self.small = particles, list(whole), small
        self.rng = np.random.default_rng(seed)
        self.starts = 0
        self.begin()

    def begin(self) -> None:
        """Put all particles anywhere, with velocities of up to half the box."""
        shape = self.particles, len(self.low)
        self.x = self.rng.random(shape)
        self.v = self.rng.uniform(-0.5, 0.5, shape)
        self.own, self.value = self.x.copy(), np.full(self.particles, np.inf)
        self.starts += 1

    def ask(self) -> Floats:
        """``(particles, d)`` points."""
        points = self.low + self.x * (self.high - self.low)
        points[:, self.whole] = np.round(points[:, self.whole])
        return points

    def tell(self, points: Floats, values: Floats) -> None:
        """Move on, now that the values of the points asked for are known."""
        better = values < self.value
        self.own[better], self.value[better] = self.x[better], values[better]
        if (np.ptp(self.x, axis=0) < self.small).all():
            self.begin()
            return
        best = self.own[self.value.argmin()]
        one, two = self.rng.random((2, *self.x.shape))
        self.v = INERTIA * self.v + PULL * (one * (self.own - self.x) + two * (best - self.x))
        moved = self.x + self.v
        outside = (moved < 0.0) | (moved > 1.0)
        self.v[outside] = 0.0
        self.x = np.clip(moved, 0.0, 1.0)
