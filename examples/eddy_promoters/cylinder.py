"""The cylinder of Schaefer and Turek, on which the flow is validated: ``python cylinder.py NODES``.

Schaefer and Turek, Notes on Numerical Fluid Mechanics 52, 547, 1996, case 2D-1: a channel of height
0.41 m and length 2.2 m, a cylinder of 0.1 m at (0.2 m, 0.2 m), Re = 20 with mean velocity and
diameter. Of the steady flow the drag coefficient is 5.57 to 5.59, the lift 0.0104 to 0.0110.
"""

from __future__ import annotations

import sys

from lattice import Channel, Circle

DRAG, LIFT = (5.57, 5.59), (0.0104, 0.0110)


def coefficients(nodes: int, speed: float = 0.1) -> tuple[float, float]:
    """Drag and lift over ``0.5 rho U^2 D``.

    Args:
        nodes: Along the diameter; a multiple of ten gives the height exactly.
        speed: Mean velocity in lattice units.

    Raises:
        RuntimeError: If the flow does not become steady.
    """
    body = Circle(2.0 * nodes, 2.0 * nodes, nodes / 2)
    channel = Channel(round(4.1 * nodes), 22 * nodes, [body], speed, speed * nodes / 20.0)
    if not channel.settle(2e-6, most=4000 * nodes, every=100 * nodes):
        raise RuntimeError(f"the flow is not steady after {channel.steps} steps.")
    drag, lift = 2.0 * channel.drag[0] / (speed**2 * nodes)
    return float(drag), float(lift)


if __name__ == "__main__":
    resolution = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    found = coefficients(resolution)
    print(f"{resolution} nodes: drag {found[0]:.4f} {DRAG}, lift {found[1]:.5f} {LIFT}")
