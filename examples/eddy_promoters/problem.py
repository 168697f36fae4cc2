"""Eddy promoters in a heated channel: designs, what they do to drag and heat transfer, the swarms.

Lengths are in channel heights H, velocities in mean velocities U. Air of Pr = 0.71 comes in at
temperature 0 with a parabola, Re = U H / nu = 100, between two walls of temperature 1, six heights
long. Round promoters, which take no heat, stand in it; the flow is laminar and steady.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from kernels import OUTLET
from lattice import Channel, Circle, Floats
from swarm import Swarm

from querist.core.errors import OracleRejected
from querist.generators.ask_tell import AskTell

REYNOLDS, PRANDTL, LENGTH = 100.0, 0.71, 6.0
SPEED = 0.08
"""Mean velocity in lattice units: slow against the speed of sound, 0.58, between promoters too."""
GAP = 0.1
"""Least distance of a promoter from a wall."""
LOW, HIGH = (1.0, 0.0, 0.15, 0.6), (4.0, 1.0, 0.45, 1.0)
"""Bounds of a design: count (rounded), place across (0 at the wall, 1 in the middle), diameter,
share of the stretch from 1 H to 5 H over which they are spread."""
NODES = 24
PRICE = 0.05
"""What one more time the empty channel's drag costs, in empty channels' heat transfer."""


def bodies(design: Sequence[float], nodes: int) -> list[Circle]:
    """Promoters of a design: evenly spaced from 1 H on, low and high by turns.

    Args:
        design: Count, place, diameter and spread, see ``LOW`` and ``HIGH``.
        nodes: Across the channel.
    """
    count, place, diameter, spread = round(float(design[0])), *map(float, design[1:])
    nearest = GAP + diameter / 2
    height = nearest + place * (0.5 - nearest)
    made = []
    for number in range(count):
        x = 1.0 + 4.0 * spread * (number + 0.5) / count
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
    differences: ``-H / (2 L) ln(1 - Tb)``, where ``Tb = Q / (rho c U H)`` is how warm the heat
    ``Q`` that leaves by the outlet makes the mixed stream (Bejan, Convection Heat Transfer, 4th
    ed. 2013, section 3.5). What goes from the hot ends of the walls straight into the inlet does
    not count: it grows with the logarithm of the number of nodes.
    """
    force = float(made.drag[:, 0].sum() + made.tally[:2, 0].sum())
    warm = -float(made.tally[OUTLET, 2]) / (made.speed * made.rows)
    drag = force / (0.5 * made.speed**2 * made.rows)
    return drag, -made.rows / (2.0 * made.columns) * math.log(1.0 - warm)


@cache
def empty(nodes: int) -> tuple[float, float]:
    """Drag and Stanton number of the empty channel."""
    return numbers(settled(None, nodes))


def gains(drag: float, stanton: float, nodes: int) -> tuple[float, float]:
    """``ln(f / f0)`` and ``St / St0``, against the empty channel: what the committee learns."""
    drag_0, stanton_0 = empty(nodes)
    return math.log(drag / drag_0), stanton / stanton_0


def worth(outputs: Mapping[str, Any], price: float = PRICE) -> float:
    """Heat transfer less the price of drag, in empty channels' heat transfer; theirs is one."""
    log_drag, heat = (float(value) for value in outputs["gains"])
    return heat - price * (math.exp(log_drag) - 1.0)


def merit(outputs: Mapping[str, Any]) -> float:
    """Gain in heat transfer at equal pumping power: ``(St / St0) / (f / f0)^(1/3)``.

    Webb and Eckert, Int. J. Heat Mass Transfer 15, 1647, 1972.
    """
    log_drag, heat = (float(value) for value in outputs["gains"])
    return heat / math.exp(log_drag / 3.0)


def fields(made: Channel) -> Floats:
    """``(3, rows, columns)``: velocity along and across over ``U``, temperature; 0 in bodies."""
    parts = [made.field(1) / made.speed, made.field(2) / made.speed, made.field(3)]
    return np.nan_to_num(np.stack(parts))


def simulate(x: Sequence[float], nodes: int = NODES) -> dict[str, Any]:
    """The oracle: ``drag``, ``stanton``, ``gains`` (2,) and ``fields`` of a design; no units."""
    made = settled(x, nodes)
    drag, stanton = numbers(made)
    return {
        "drag": drag,
        "stanton": stanton,
        "gains": np.array(gains(drag, stanton, nodes)),
        "fields": fields(made).astype(np.float32),
    }


def quick(x: Sequence[float]) -> dict[str, Any]:
    """The oracle on 16 nodes across: half a second a design."""
    return simulate(x, 16)


def swarm(price: float, particles: int = 12, seed: int = 0) -> AskTell:
    """A generator: particles that look for the design of most worth at a price of drag."""
    options = {"low": LOW, "high": HIGH, "particles": particles, "whole": (0,), "seed": seed}
    value = partial(worth, price=price)
    return AskTell(Swarm, particles, objective=value, maximise=True, options=options)
