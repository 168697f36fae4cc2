"""Predictive control on the full simulation, and a PID."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from reactor import COOLEST, INTERVAL, LIMIT, WARMEST, Ageing, Floats, advanced, resting

MOVES = (1, 2, 3, 4)  # intervals that each part of the plan lasts
HORIZON = sum(MOVES)
GAIN = 4.0  # K of input by K of error, of the control inside predictions
EFFORT = 0.1  # price of 1 K between an input and the one that keeps the aim, in K of temperature
MARGIN, PRICE = 1.0, 3.0  # K below the limit, from where on each K costs so much more
STEPS = 3  # of Gauss and Newton
NUDGE = 0.05  # K, for differences
SHORTER = np.array([1.0, 0.5, 0.2, 0.0])[:, None]  # of a step, whichever is best


def plan(c: Floats, t: Floats, aim: Floats, now: Ageing) -> Floats:
    """The next input of ``n`` reactors, K: the first of a plan, by simulating what it leads to.

    The inputs of a plan are ``rest + GAIN (aim - T) + v``, within their limits, where ``rest``
    keeps the aim; without the second term predictions of an unstable plant would run away (J. A.
    Rossiter, B. Kouvaritakis & M. J. Rice, Automatica 34, 65, 1998). The ``v`` minimise the squares
    of T - aim over a minute, of T above the limit, and, at a small price, of inputs away from
    ``rest``: by Gauss and Newton's method, with differences of simulations for derivatives.

    Args:
        c: ``(n,)`` concentrations, mol/l.
        t: ``(n,)`` temperatures, K.
        aim: ``(n,)`` set-points, K.
        now: Of the plants; numbers or ``(n,)``.
    """
    each = Ageing(
        *(np.broadcast_to(x, c.shape)[:, None] for x in (now.wall, now.activity, now.inlet))
    )
    given = tuple(x[:, None] for x in (c, t, aim, resting(aim, now)))
    nudges = np.vstack([np.zeros(len(MOVES)), NUDGE * np.eye(len(MOVES))])
    v = np.zeros((len(c), len(MOVES)))
    for _ in range(STEPS):
        found = _residuals(v[:, None, :] + nudges, given, each)
        r, jac = found[:, 0], (found[:, 1:] - found[:, :1]) / NUDGE
        bent = np.einsum("nmr,nkr->nmk", jac, jac) + 1e-3 * np.eye(len(MOVES))
        slope = np.einsum("nmr,nr->nm", jac, r)
        step = np.linalg.solve(bent, slope[:, :, None])[:, None, :, 0]
        tried = v[:, None, :] - SHORTER * step
        cost = (_residuals(tried, given, each) ** 2).sum(axis=-1)
        v = np.take_along_axis(tried, cost.argmin(axis=1)[:, None, None], axis=1)[:, 0]
    return _input(v[:, 0], t, aim, given[3][:, 0])


def _input(v: Floats, t: Floats, aim: Floats, rest: Floats) -> Floats:
    return np.clip(rest + GAIN * (aim - t) + v, COOLEST, WARMEST)


def _residuals(v: Floats, given: tuple[Floats, ...], now: Ageing) -> Floats:
    """``(n, plans, residuals)`` whose squares are summed; ``v`` is ``(n, plans, moves)``."""
    c, t, aim, rest = (np.broadcast_to(x, v.shape[:2]) for x in given)
    found = []
    for j, lasts in enumerate(MOVES):
        for _ in range(lasts):
            u = _input(v[..., j], t, aim, rest)
            c, t = advanced(c, t, u, now)
            above = np.logaddexp(0.0, 4 * (t - LIMIT + MARGIN)) / 4
            found += [EFFORT * (u - rest), t - aim, PRICE * above]
    return np.stack(found, axis=-1)


@dataclass
class Pid:
    """Proportional, integral and derivative control of ``n`` reactors.

    It stops integrating at the limits of the input.
    """

    gain: float
    integral: float
    derivative: float
    start: float = 300.0  # K, of the coolant
    summed: Floats | float = 0.0
    before: Floats | None = None
    slope: Floats | float = 0.0

    def __call__(self, t: Floats, aim: Floats) -> Floats:
        """The coolant's temperature, ``(n,)`` in K."""
        error = aim - t
        slope = 0.0 if self.before is None else (t - self.before) / INTERVAL
        self.before = t
        wanted = (
            self.start + self.gain * error + self.integral * self.summed - self.derivative * slope
        )
        self.slope = slope
        free = (wanted > COOLEST) & (wanted < WARMEST)
        self.summed = self.summed + np.where(free, error * INTERVAL, 0.0)
        return np.clip(wanted, COOLEST, WARMEST)

    def follow(self, u: Floats, t: Floats, aim: Floats) -> None:
        """Take over without a jump from inputs that another control gave."""
        known = self.start + self.gain * (aim - t) - self.derivative * self.slope
        self.summed = (u - known) / self.integral
