"""Eddy promoters in a heated channel: a design, what it does to drag and heat transfer, its merit.

Lengths are in channel heights H, velocities in mean velocities U. Air of Pr = 0.71 comes in at
temperature 0 with a parabola, Re = U H / nu = 100, between two walls of temperature 1, six heights
long. Round promoters, which take no heat, stand in it; the flow is laminar and steady.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from lattice import Channel, Circle

from querist.core.errors import OracleRejected

REYNOLDS, PRANDTL, LENGTH = 100.0, 0.71, 6.0
SPEED = 0.08
"""Mean velocity in lattice units: slow against the speed of sound, 0.58, between promoters too."""
GAP = 0.1
"""Least distance of a promoter from a wall."""
LOW, HIGH = (1.0, 0.0, 0.15), (4.0, 1.0, 0.45)
"""Bounds of a design: count (rounded), place across (0 at the wall, 1 in the middle), diameter."""
NODES = 24
PRICE = 0.05
"""What one more time the empty channel's drag costs, in empty channels' heat transfer."""


def bodies(design: Sequence[float], nodes: int) -> list[Circle]:
    """Promoters of a design: evenly spaced between 1 H and 5 H, low and high by turns.

    Args:
        design: Count, place and diameter, see ``LOW`` and ``HIGH``.
        nodes: Across the channel.
    """
    count, place, diameter = round(float(design[0])), float(design[1]), float(design[2])
    nearest = GAP + diameter / 2
    height = nearest + place * (0.5 - nearest)
    made = []
    for number in range(count):
        x = 1.0 + 4.0 * (number + 0.5) / count
        y = height if number % 2 == 0 else 1.0 - height
        made.append(Circle(x * nodes, y * nodes, diameter / 2 * nodes))
    return made


def channel(design: Sequence[float] | None, nodes: int = NODES) -> Channel:
    """The channel of a design (None: an empty one), at its beginning."""
    viscosity = SPEED * nodes / REYNOLDS
    return Channel(
        nodes,
        round(LENGTH * nodes),
        [] if design is None else bodies(design, nodes),
        SPEED,
        viscosity,
        viscosity / PRANDTL,
    )


def settled(design: Sequence[float] | None, nodes: int = NODES) -> Channel:
    """The channel in its steady state.

    Raises:
        OracleRejected: If it finds none, or loses more than one part in a thousand of the heat.
    """
    made = channel(design, nodes)
    if not made.settle(1e-4, most=1500 * nodes, every=20 * nodes):
        raise OracleRejected(f"no steady state in {made.steps} steps: the flow sheds eddies.")
    given, carried = made.heat
    if abs(given - carried) > 1e-3 * given:
        raise OracleRejected(f"the walls give the heat {given:.4g}, but {carried:.4g} leaves.")
    return made


def numbers(made: Channel) -> tuple[float, float]:
    """Drag coefficient and Stanton number of a settled channel.

    The drag is all force along the channel on promoters and walls, over ``0.5 rho U^2 H``. The
    Stanton number is the mean one of both walls, with the logarithmic mean of temperature
    differences: ``-H / (2 L) ln(1 - Tb)``, where ``Tb = Q / (rho c U H)`` is how warm heat ``Q``
    makes the mixed stream (Bejan, Convection Heat Transfer, 4th ed. 2013, section 3.5).
    """
    force = float(made.drag[:, 0].sum() + made.tally[:2, 0].sum())
    warm = made.heat[1] / (made.speed * made.rows)
    drag = force / (0.5 * made.speed**2 * made.rows)
    return drag, -made.rows / (2.0 * made.columns) * math.log(1.0 - warm)


@cache
def empty(nodes: int) -> tuple[float, float]:
    """Drag and Stanton number of the empty channel."""
    return numbers(settled(None, nodes))


def worth(drag: float, stanton: float, nodes: int) -> float:
    """Heat transfer less the price of drag, both against the empty channel's; that is worth one."""
    drag_0, stanton_0 = empty(nodes)
    return stanton / stanton_0 - PRICE * (drag / drag_0 - 1.0)


def merit(drag: float, stanton: float, nodes: int) -> float:
    """Gain in heat transfer at equal pumping power: ``(St / St0) / (f / f0)^(1/3)``.

    Webb and Eckert, Int. J. Heat Mass Transfer 15, 1647, 1972.
    """
    drag_0, stanton_0 = empty(nodes)
    return (stanton / stanton_0) / (drag / drag_0) ** (1.0 / 3.0)


def simulate(x: Sequence[float], nodes: int = NODES) -> dict[str, float]:
    """The oracle: ``drag``, ``stanton`` and ``worth`` of a design, all without units."""
    drag, stanton = numbers(settled(x, nodes))
    return {"drag": drag, "stanton": stanton, "worth": worth(drag, stanton, nodes)}


def quick(x: Sequence[float]) -> dict[str, float]:
    """The oracle on 16 nodes across: half a second a design."""
    return simulate(x, 16)
