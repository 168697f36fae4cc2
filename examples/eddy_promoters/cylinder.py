"""The cylinder of Schaefer and Turek, on which the flow is validated.

``python cylinder.py NODES [shed [SPEED]]``.

Schaefer and Turek, Notes on Numerical Fluid Mechanics 52, 547, 1996, case 2D-1: a channel of height
0.41 m and length 2.2 m, a cylinder of 0.1 m at (0.2 m, 0.2 m), Re = 20 with mean velocity and
diameter. Of the steady flow the drag coefficient is 5.57 to 5.59, the lift 0.0104 to 0.0110. Case
2D-2: Re = 100, at which eddies are shed; the Strouhal number, with diameter and mean velocity, is
0.295 to 0.305, the largest drag 3.22 to 3.24, the largest lift 0.99 to 1.01.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
from lattice import Channel, Circle

DRAG, LIFT = (5.57, 5.59), (0.0104, 0.0110)
STROUHAL, MOST_DRAG, MOST_LIFT = (0.295, 0.305), (3.22, 3.24), (0.99, 1.01)


def channel(nodes: int, reynolds: float, speed: float) -> Channel:
    """The channel with its cylinder, ``nodes`` along the diameter."""
    body = Circle(2.0 * nodes, 2.0 * nodes, nodes / 2)
    return Channel(round(4.1 * nodes), 22 * nodes, [body], speed, speed * nodes / reynolds)


def coefficients(nodes: int, speed: float = 0.1) -> tuple[float, float]:
    """Drag and lift over ``0.5 rho U^2 D``.

    Args:
        nodes: Along the diameter; a multiple of ten gives the height exactly.
        speed: Mean velocity in lattice units.

    Raises:
        RuntimeError: If the flow does not become steady.
    """
    made = channel(nodes, 20.0, speed)
    if not made.settle(2e-6, most=4000 * nodes, every=100 * nodes):
        raise RuntimeError(f"the flow is not steady after {made.steps} steps.")
    drag, lift = 2.0 * made.drag[0] / (speed**2 * nodes)
    return float(drag), float(lift)


class Shed(NamedTuple):
    """Case 2D-2: Strouhal number, largest and mean drag, largest lift; no units."""

    strouhal: float
    most_drag: float
    mean_drag: float
    most_lift: float


def shedding(nodes: int, speed: float = 0.05) -> Shed:
    """Case 2D-2, over the last ten periods.

    Args:
        nodes: Along the diameter.
        speed: Mean velocity in lattice units.

    Raises:
        RuntimeError: If no eddies are shed, or not regularly: periods differ by more than 1 %.
    """
    made = channel(nodes, 100.0, speed)
    every = 2 * max(1, nodes // 20)
    unit = nodes / speed  # steps in which the stream goes one diameter on
    made.advance(round(100 * unit))
    forces = np.empty((round(40 * unit) // every, 2))
    for row in forces:
        made.advance(every)
        row[:] = 2.0 * made.drag[0] / (speed**2 * nodes)
    drag, lift = forces.T
    lift_0 = lift - lift.mean()
    rising = np.flatnonzero((lift_0[:-1] < 0.0) & (lift_0[1:] >= 0.0))
    crossings = rising - lift_0[rising] / (lift_0[rising + 1] - lift_0[rising])
    periods = np.diff(crossings)[-10:] * every
    if len(periods) < 10 or np.ptp(periods) > 0.01 * periods.mean():
        raise RuntimeError(f"eddies are not shed regularly; periods of {periods} steps.")
    whole = slice(round(crossings[-11]), round(crossings[-1]))  # of ten periods
    drag, lift = drag[whole], lift[whole]
    return Shed(float(unit / periods.mean()), *map(float, (drag.max(), drag.mean(), lift.max())))


if __name__ == "__main__":
    resolution = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    if sys.argv[2:3] == ["shed"]:
        shed = shedding(resolution, *map(float, sys.argv[3:]))
        print(f"{resolution} nodes: Strouhal {shed.strouhal:.4f} {STROUHAL}, drag at most", end=" ")
        print(f"{shed.most_drag:.4f} {MOST_DRAG}, mean {shed.mean_drag:.4f},", end=" ")
        print(f"lift at most {shed.most_lift:.4f} {MOST_LIFT}")
    else:
        found = coefficients(resolution)
        print(f"{resolution} nodes: drag {found[0]:.4f} {DRAG}, lift {found[1]:.5f} {LIFT}")
