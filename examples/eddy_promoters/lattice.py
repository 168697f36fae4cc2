"""A channel with round bodies in it: geometry, a run to the steady state, forces and heat.

Lattice units throughout: the distance of nodes, the time of a step and the density are one. Walls,
inlet and outlet lie half a node outside the first and last nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import kernels
import numpy as np
from kernels import BODY, BOTTOM, CX, CY, INLET, OUTLET, TOP, WEIGHT, Links, Rates, State
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FLUID = -1
MAGIC, MAGIC_HEAT = 3 / 16, 1 / 4
"""Products of relaxation times: walls half-way between nodes for a parabola, and for a straight
line (Ginzburg et al. 2008)."""


@dataclass(frozen=True)
class Circle:
    """A round body: centre from the lower corner of the inlet, radius, in distances of nodes."""

    x: float
    y: float
    radius: float


@dataclass
class Channel:
    """Flow from left to right between two walls.

    Attributes:
        rows, columns: Nodes across and along.
        bodies: What stands in the way; their surfaces let no heat through.
        speed: Mean velocity at the inlet, where its profile is a parabola.
        viscosity: Kinematic, and so is ``diffusivity`` that of heat.
        walls: Temperatures of the lower and the upper wall, NaN for an insulated one; the fluid
            comes in at zero.
    """

    rows: int
    columns: int
    bodies: Sequence[Circle]
    speed: float
    viscosity: float
    diffusivity: float = 0.1
    walls: tuple[float, float] = (1.0, 1.0)
    steps: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.owner = owners(self.rows, self.columns, self.bodies)
        self.links = links_of(self)
        self.rates = rates(self.viscosity, self.diffusivity)
        self.tally = np.zeros((BODY + len(self.bodies), 5))
        shape = self.rows + 2, self.columns + 2
        self.state = State(*(np.zeros((*shape, n)) for n in (9, 9, 5, 5, 4)))
        along = np.zeros((*shape, 1))
        along[1:-1, 1:-1, 0] = profile(self.rows, self.speed)[:, None]
        self.state.f[...] = 3.0 * WEIGHT * CX * along

    def advance(self, steps: int) -> None:
        """Go on by ``steps`` (made even)."""
        even = 2 * (steps // 2)
        kernels.advance(self.state, self.links, self.rates, even, self.tally)
        self.steps += even

    def settle(self, tolerance: float, most: int, every: int = 500) -> bool:
        """Go on until forces and heat change by less than ``tolerance`` in ``every`` steps.

        ``tolerance`` is relative to the largest force, or heat, of any part.

        Returns:
            Whether that happened within ``most`` steps.
        """
        before = self.tally.copy()
        while self.steps < most:
            self.advance(every)
            if not np.isfinite(self.tally).all():
                return False
            scale = np.abs(self.tally).max(axis=0)[:3]
            if (np.abs(self.tally - before)[:, :3] <= tolerance * scale).all():
                return True
            before = self.tally.copy()
        return False

    @property
    def fluid(self) -> NDArray[np.bool_]:
        """``(rows, columns)`` where there is fluid."""
        return np.asarray(self.owner[1:-1, 1:-1] == FLUID)

    def field(self, number: int) -> Floats:
        """``(rows, columns)`` of a moment (see :class:`kernels.State`), NaN inside bodies."""
        values = self.state.moments[1:-1, 1:-1, number]
        return np.where(self.fluid, values, np.nan)

    @property
    def drag(self) -> Floats:
        """``(bodies, 2)`` force of the fluid on each body, along and across."""
        return np.array(self.tally[BODY:, :2])

    @property
    def heat(self) -> tuple[float, float]:
        """Heat a step: that the walls give, and that the stream carries away (out less in)."""
        given = self.tally[BOTTOM, 2] + self.tally[TOP, 2] + self.tally[BODY:, 2].sum()
        return float(given), float(-self.tally[INLET, 2] - self.tally[OUTLET, 2])

    def carried(self, column: int) -> float:
        """Heat a step through a cross-section, from the fields: ``sum(u T) - a sum(dT/dx)``."""
        u, warm = self.field(1), self.field(3)
        rise = 0.5 * (warm[:, column + 1] - warm[:, column - 1])
        return float(np.nansum(u[:, column] * warm[:, column] - self.diffusivity * rise))

    def bulk(self, column: int) -> float:
        """Temperature that the stream through a cross-section would have when mixed."""
        u, warm = self.field(1)[:, column], self.field(3)[:, column]
        return float(np.nansum(u * warm) / np.nansum(u))

    def slope(self, wall: int, column: int | slice) -> Floats:
        """Gradient of temperature into the lower (0) or the upper (1) wall, a difference a node.

        That of the parabola through the wall and two nodes.
        """
        one, two = self.field(3)[[0, 1] if wall == 0 else [-1, -2], column]
        there = self.walls[wall]
        return np.asarray((9.0 * (there - one) - (there - two)) / 3.0)

    def nusselt(self, column: int) -> float:
        """Local number of the heated walls, with the hydraulic diameter, twice the gap."""
        heated = [w for w in range(2) if np.isfinite(self.walls[w])]
        differences = np.array([self.walls[w] for w in heated]) - self.bulk(column)
        slopes = np.array([float(self.slope(w, column)) for w in heated])
        return float(np.mean(slopes * 2.0 * self.rows / differences))


def rates(viscosity: float, diffusivity: float) -> Rates:
    """Relaxation rates for a viscosity and a diffusivity."""
    even, odd = 3.0 * viscosity, 3.0 * diffusivity
    return Rates(
        1.0 / (even + 0.5),
        1.0 / (MAGIC / even + 0.5),
        1.0 / (MAGIC_HEAT / odd + 0.5),
        1.0 / (odd + 0.5),
    )


def profile(rows: int, speed: float) -> Floats:
    """``(rows,)`` parabola of this mean velocity."""
    return speed * parabola((np.arange(rows) + 0.5) / rows)


def parabola(y: Floats) -> Floats:
    """Velocity at shares ``y`` of the height, in mean velocities."""
    return 6.0 * y * (1.0 - y)


def owners(rows: int, columns: int, bodies: Sequence[Circle]) -> NDArray[np.int64]:
    """``(rows + 2, columns + 2)`` FLUID, or who is there."""
    owner = np.full((rows + 2, columns + 2), FLUID)
    owner[:, 0], owner[:, -1] = INLET, OUTLET
    owner[0, 1:], owner[-1, 1:] = BOTTOM, TOP  # corners of the inlet: its pressure is no friction
    y, x = np.mgrid[0 : rows + 2, 0 : columns + 2] - 0.5
    for number, body in enumerate(bodies):
        inside = (x - body.x) ** 2 + (y - body.y) ** 2 < body.radius**2
        inside[[0, -1]] = inside[:, [0, -1]] = False
        owner[inside] = BODY + number
    return owner


def links_of(channel: Channel) -> Links:
    """All links of a channel's fluid that come from outside it."""
    owner, parts = channel.owner, []
    for way in range(1, 9):
        source = np.roll(owner, (CY[way], CX[way]), (0, 1))
        hit = (owner == FLUID) & (source != FLUID)
        row, column = np.nonzero(hit)
        parts.append((row, column, np.full(len(row), way), source[hit]))
    row, column, way, whose = (np.concatenate(part) for part in zip(*parts, strict=True))
    share = np.full(len(row), 0.5)
    for number, body in enumerate(channel.bodies):
        mine = whose == BODY + number
        share[mine] = shares(body, column[mine] - 0.5, row[mine] - 0.5, way[mine])
    behind = owner[row + CY[way], column + CX[way]] != FLUID
    share[behind & (share < 0.5)] = 0.5  # no node to interpolate with
    warm = np.full(len(row), np.nan)
    for wall, value in zip((BOTTOM, TOP), channel.walls, strict=True):
        warm[whose == wall] = value
    warm[whose == INLET] = 0.0
    speed = np.where(whose == INLET, inflow(channel, row, way), 0.0)
    return Links(row, column, way, whose, share, speed, warm)


def inflow(channel: Channel, row: NDArray[np.int64], way: NDArray[np.int64]) -> Floats:
    """What bounce-back adds to the populations that come in along ``way``, were all of the inlet.

    Of a stream that only varies across, by Chapman and Enskog, the two populations of a link differ
    half-way by ``6 w c.u`` and by ``-(2 / odd - 1) w (c.grad)(4.5 (c.u)^2 - 1.5 u^2)``, which for
    diagonal links is ``-(2 / odd - 1) 6 w c_y u u'``. Bounce-back alone leaves the latter out and
    so lets the fluid in with a velocity towards the middle, of some 5 % on 82 nodes across at a
    Reynolds number of 410 (with the height); downstream the middle is too fast.
    """
    y = (row - 0.5 - 0.5 * CY[way]) / channel.rows  # where the link meets the inlet
    late = 2.0 / rates(channel.viscosity, channel.diffusivity).odd - 1.0
    slope = 6.0 * (1.0 - 2.0 * y) / channel.rows
    along = 6.0 * WEIGHT[way] * channel.speed * parabola(y)
    across = CY[way] * late * channel.speed * slope
    inside = (y > 0.0) & (y < 1.0) & (CX[way] == 1)
    return np.asarray(np.where(inside, along * (1.0 - across), 0.0))


def shares(body: Circle, x: Floats, y: Floats, way: NDArray[np.int64]) -> Floats:
    """Where links against ``way`` from ``(x, y)`` meet the circle, as shares of their lengths."""
    dx, dy = -CX[way], -CY[way]
    a = dx**2 + dy**2
    b = (x - body.x) * dx + (y - body.y) * dy
    c = (x - body.x) ** 2 + (y - body.y) ** 2 - body.radius**2
    root = np.sqrt(np.maximum(b**2 - a * c, 0.0))
    return np.asarray(np.clip((-b - root) / a, 1e-6, 1.0))
