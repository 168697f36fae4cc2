"""The plant: a stirred tank whose reaction heats itself, and predictive control by simulating it.

The exothermic reactor of D. E. Seborg, T. F. Edgar & D. A. Mellichamp, *Process Dynamics and
Control* (Wiley, 2nd edition 2004, example 2.5), known from M. A. Henson & D. E. Seborg (eds),
*Nonlinear Process Control* (Prentice Hall 1997): A -> B of first order in a tank of 100 l with a
cooling jacket, whose middle temperatures are unstable, so that it must be controlled.

    dc/dt = q/V (c_f - c) - k c                                  k = a k_0 exp(-E / R T)
    dT/dt = q/V (T_f - T) + (-H / rho C_p) k c + UA / (V rho C_p) (T_c - T)

with q = 100 l/min, V = 100 l, c_f = 1 mol/l, T_f = 350 K, k_0 = 7.2e10 1/min, E/R = 8750 K,
H = -5e4 J/mol, rho C_p = 239 J/(l K), UA = 5e4 J/(min K) with clean walls; the activity a of the
catalyst is 1 when fresh. Concentration c in mol/l, temperature T and the coolant's T_c, which is
the input, in K, time in minutes. All functions take arrays: many reactors at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

INTERVAL = 0.1  # min between two inputs
PARTS = 4  # of an interval, integrated by Runge and Kutta's fourth order
COOLEST, WARMEST = 260.0, 330.0  # K, of the coolant
LIMIT = 353.0  # K; no temperature of the reactor may be above
HOTTEST = 400.0  # K, far above what is allowed: a search that tries it should not overflow
FLOW, FEED, INLET = 1.0, 1.0, 350.0  # 1/min (q/V), mol/l, K
FACTOR, ENERGY = 7.2e10, 8750.0  # 1/min, K
HEAT = 5e4 / 239.0  # K l/mol
CLEAN = 5e4 / (100 * 239.0)  # 1/min, UA / (V rho C_p) of clean walls


def rate(t: Floats, activity: Floats | float) -> Floats:
    """The constant of the reaction, 1/min."""
    return activity * FACTOR * np.exp(-ENERGY / np.minimum(t, HOTTEST))


@dataclass(frozen=True)
class Ageing:
    """What changes while a plant runs; arrays that broadcast with the states.

    Attributes:
        wall: UA / (V rho C_p), 1/min; fouling lowers it.
        activity: Of the catalyst, 1 when fresh; decay lowers it.
        inlet: Temperature of the feed, K.
    """

    wall: Floats | float = CLEAN
    activity: Floats | float = 1.0
    inlet: Floats | float = INLET


def slopes(c: Floats, t: Floats, u: Floats, now: Ageing) -> tuple[Floats, Floats]:
    """dc/dt in mol/(l min) and dT/dt in K/min."""
    reacts = rate(t, now.activity) * c
    return FLOW * (FEED - c) - reacts, FLOW * (now.inlet - t) + HEAT * reacts + now.wall * (u - t)


def advanced(c: Floats, t: Floats, u: Floats, now: Ageing) -> tuple[Floats, Floats]:
    """Concentration and temperature after one interval."""
    h = INTERVAL / PARTS
    for _ in range(PARTS):
        a1, b1 = slopes(c, t, u, now)
        a2, b2 = slopes(c + h / 2 * a1, t + h / 2 * b1, u, now)
        a3, b3 = slopes(c + h / 2 * a2, t + h / 2 * b2, u, now)
        a4, b4 = slopes(c + h * a3, t + h * b3, u, now)
        c = np.clip(c + h / 6 * (a1 + 2 * (a2 + a3) + a4), 0.0, FEED)
        t = np.minimum(t + h / 6 * (b1 + 2 * (b2 + b3) + b4), HOTTEST)
    return c, t


def resting(aim: Floats, now: Ageing) -> Floats:
    """The coolant that keeps a reactor at a temperature, K; not within limits."""
    k = rate(aim, now.activity)
    reacts = k * FLOW * FEED / (FLOW + k)
    return aim - (FLOW * (now.inlet - aim) + HEAT * reacts) / now.wall
