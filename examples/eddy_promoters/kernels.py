"""The lattice-Boltzmann steps themselves, compiled by numba; all in lattice units.

Flow: D2Q9, the incompressible equilibrium of He and Luo (J. Stat. Phys. 88, 927, 1997) with
populations that are deviations from rest, two relaxation times (Ginzburg, Verhaeghe and
d'Humieres, Commun. Comput. Phys. 3, 427, 2008). Temperature: D2Q5, a passive scalar carried along.
What comes from outside the fluid is put in link by link: walls and bodies by interpolated
bounce-back (Bouzidi, Firdaouss and Lallemand, Phys. Fluids 13, 3452, 2001), which does not conserve
mass by itself and is made to; the inlet by bounce-back with its velocity, the outlet and given
temperatures by anti-bounce-back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

try:
    from numba import njit
except ModuleNotFoundError:
    raise SystemExit("numba is not here; install it with: pip install numba") from None

# With Python's model of errors a division may raise, and what that drags along makes steps on
# small channels three times as slow; nothing here is divided by zero.
compiled = njit(cache=True, error_model="numpy")

CX = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1])
CY = np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
OPPOSITE = np.array([0, 3, 4, 1, 2, 7, 8, 5, 6])
WEIGHT = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
HALF = np.array([1, 2, 5, 6])  # one direction of each pair
BOTTOM, TOP, INLET, OUTLET, BODY = 0, 1, 2, 3, 4  # who a link belongs to; bodies from 4 on


class Links(NamedTuple):
    """Where populations come from outside: arrays of one entry a link.

    Attributes:
        row, column: The node in the fluid, in arrays with a margin of one node.
        way: Direction in which the population comes in.
        owner: BOTTOM, TOP, INLET, OUTLET or the number of a body.
        share: Distance from the node to the surface, as a share of the link's length.
        speed: ``6 w c.u`` of the inlet's velocity, zero elsewhere.
        warm: Temperature of the surface; NaN where no heat goes through.
    """

    row: Any
    column: Any
    way: Any
    owner: Any
    share: Any
    speed: Any
    warm: Any


class State(NamedTuple):
    """Populations before collision, room for the next ones, and moments; with a margin of a node.

    What leaves the fluid is found in ``f_next`` at the node outside, where ``enter`` looks for it.

    Attributes:
        f, f_next: ``(rows, columns, 9)`` of the flow.
        g, g_next: ``(rows, columns, 5)`` of the temperature.
        moments: ``(rows, columns, 4)``: pressure times three, velocity along and across,
            temperature.
    """

    f: Any
    f_next: Any
    g: Any
    g_next: Any
    moments: Any


class Rates(NamedTuple):
    """Relaxation rates of even and odd parts, of the flow and of the temperature."""

    even: float
    odd: float
    heat_even: float
    heat_odd: float


@compiled
def collide_and_stream(state, rates):
    """Moments of all nodes, relaxation towards equilibrium, and on to the next nodes."""
    f, to, g, warm_to = state.f, state.f_next, state.g, state.g_next
    for j in range(1, f.shape[0] - 1):
        for i in range(1, f.shape[1] - 1):
            a = f[j, i]
            rho = a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7] + a[8]
            u = a[1] - a[3] + a[5] - a[6] - a[7] + a[8]
            v = a[2] - a[4] + a[5] + a[6] - a[7] - a[8]
            b = g[j, i]
            warm = b[0] + b[1] + b[2] + b[3] + b[4]
            m = state.moments[j, i]
            m[0], m[1], m[2], m[3] = rho, u, v, warm
            base = rho - 1.5 * (u * u + v * v)
            to[j, i, 0] = a[0] - rates.even * (a[0] - 4.0 / 9.0 * base)
            for pair in range(4):
                k = HALF[pair]
                o = OPPOSITE[k]
                along = CX[k] * u + CY[k] * v
                even = 0.5 * (a[k] + a[o]) - WEIGHT[k] * (base + 4.5 * along * along)
                odd = 0.5 * (a[k] - a[o]) - 3.0 * WEIGHT[k] * along
                even, odd = rates.even * even, rates.odd * odd
                to[j + CY[k], i + CX[k], k] = a[k] - even - odd
                to[j - CY[k], i - CX[k], o] = a[o] - even + odd
            warm_to[j, i, 0] = b[0] - rates.heat_even * (b[0] - warm / 3.0)
            for k in range(1, 3):
                along = u if k == 1 else v
                even = rates.heat_even * (0.5 * (b[k] + b[k + 2]) - warm / 6.0)
                odd = rates.heat_odd * (0.5 * (b[k] - b[k + 2]) - 0.5 * warm * along)
                warm_to[j + CY[k], i + CX[k], k] = b[k] - even - odd
                warm_to[j - CY[k], i - CX[k], k + 2] = b[k + 2] - even + odd


@compiled
def flow_in(state, links, n):
    """The flow's population that comes in by a link."""
    f = state.f_next
    j, i, k, q = links.row[n], links.column[n], links.way[n], links.share[n]
    o = OPPOSITE[k]
    out = f[j - CY[k], i - CX[k], o]
    if links.owner[n] == OUTLET:
        m = state.moments[j, i]
        along = CX[k] * m[1] + CY[k] * m[2]
        even = 4.5 * along * along - 1.5 * (m[1] * m[1] + m[2] * m[2])
        return 2.0 * WEIGHT[k] * even - out
    if q < 0.5:
        return 2.0 * q * out + (1.0 - 2.0 * q) * f[j, i, o] + links.speed[n]
    return (out + (2.0 * q - 1.0) * f[j + CY[k], i + CX[k], k]) / (2.0 * q) + links.speed[n]


@compiled
def heat_in(state, links, n):
    """The temperature's population that comes in by a link along an axis."""
    j, i, k = links.row[n], links.column[n], links.way[n]
    out = state.g_next[j - CY[k], i - CX[k], OPPOSITE[k]]
    if links.owner[n] == OUTLET:
        return state.moments[j, i, 3] / 3.0 - out  # no gradient along the channel
    if np.isnan(links.warm[n]):
        return out
    return links.warm[n] / 3.0 - out


@compiled
def enter(state, links, tally):
    """Fill in what comes from outside.

    ``tally`` (owners, 5) gets force along, across, heat, mass that came in, and weights of links.
    The force is the momentum that a link's two populations hand over (Ladd, J. Fluid Mech. 271,
    285, 1994); heat is counted as it comes into the fluid.
    """
    tally[:] = 0.0
    for n in range(len(links.row)):
        j, i, k = links.row[n], links.column[n], links.way[n]
        o, owner = OPPOSITE[k], links.owner[n]
        coming = flow_in(state, links, n)
        both = state.f_next[j - CY[k], i - CX[k], o] + coming
        state.f_next[j, i, k] = coming
        tally[owner, 0] += CX[o] * both
        tally[owner, 1] += CY[o] * both
        tally[owner, 3] += 2.0 * coming - both
        tally[owner, 4] += WEIGHT[k]
        if k < 5:
            warm = heat_in(state, links, n)
            state.g_next[j, i, k] = warm
            tally[owner, 2] += warm - state.g_next[j - CY[k], i - CX[k], o]


@compiled
def keep_mass(state, links, tally):
    """Take back what mass the interpolation gave to, or took from, the fluid around a body."""
    for n in range(len(links.row)):
        j, i, k, owner = links.row[n], links.column[n], links.way[n], links.owner[n]
        if owner >= BODY:
            excess = WEIGHT[k] * tally[owner, 3] / tally[owner, 4]
            state.f_next[j, i, k] -= excess
            tally[owner, 0] -= CX[OPPOSITE[k]] * excess
            tally[owner, 1] -= CY[OPPOSITE[k]] * excess


@compiled
def advance(state, links, rates, steps, tally):
    """``steps`` steps (an even number); ``tally`` is of the last one."""
    swapped = State(state.f_next, state.f, state.g_next, state.g, state.moments)
    for _ in range(steps // 2):
        collide_and_stream(state, rates)
        enter(state, links, tally)
        keep_mass(state, links, tally)
        collide_and_stream(swapped, rates)
        enter(swapped, links, tally)
        keep_mass(swapped, links, tally)
