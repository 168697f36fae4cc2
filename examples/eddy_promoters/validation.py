"""What the solver must agree with before it is asked anything: rows of wanted against got."""

from __future__ import annotations

import math

from cylinder import DRAG, LIFT, STROUHAL, coefficients, shedding
from lattice import Channel
from problem import settled

from querist.testing.checks import Row, near


def nusselt(walls: tuple[float, float], rows: int) -> float:
    """Developed Nusselt number, with the hydraulic diameter 2 H and a Peclet number of 100."""
    channel = Channel(rows, 16 * rows, [], 0.1, 0.1, 0.1 * rows / 50, walls)
    channel.settle(1e-5, 2000 * rows)
    return channel.nusselt(14 * rows)


def developed(rows: int) -> list[Row]:
    """Plates at one temperature, and one of them insulated.

    Shah and London, Laminar Flow Forced Convection in Ducts, 1978: 7.541 and 4.861.
    """
    cases = {"both walls at one temperature": (7.541, 1.0), "one wall insulated": (4.861, math.nan)}
    made = []
    for name, (known, lower) in cases.items():
        got = nusselt((lower, 1.0), rows)
        made.append(near(f"Nusselt number, {name}", known, got, 0.01, share=True))
    return made


def balances(nodes: int) -> list[Row]:
    """Heat and momentum of a channel with three promoters, as its links keep the books."""
    channel = settled((3, 0.5, 0.3, 1.0), nodes)
    given, carried = channel.heat
    lost = abs(carried / given - 1)
    left = abs(channel.tally[:, 0].sum()) / channel.drag[:, 0].sum()
    return [
        Row("heat: given by walls, less carried away", "< 1e-3", f"{lost:.1e}", lost < 1e-3),
        Row("momentum: sum of all forces over the drag", "< 1e-2", f"{left:.1e}", left < 1e-2),
    ]


def benchmark(nodes: int, near: float) -> list[Row]:
    """The cylinder of Schaefer and Turek, its drag and its lift within a share ``near``."""
    made = []
    for name, known, got in zip(("drag", "lift"), (DRAG, LIFT), coefficients(nodes), strict=True):
        share = near if name == "drag" else 10 * near  # a small difference of large pressures
        ok = known[0] * (1 - share) < got < known[1] * (1 + share)
        text = f"{known[0]} to {known[1]} within {share:.0%}"
        made.append(Row(f"cylinder 2D-1, {name}, {nodes} nodes", text, f"{got:.5f}", ok))
    return made


def shed(nodes: int) -> Row:
    """The frequency of the eddies behind the cylinder, case 2D-2."""
    got = shedding(nodes).strouhal
    text = f"{STROUHAL[0]} to {STROUHAL[1]}"
    ok = STROUHAL[0] < got < STROUHAL[1]
    return Row(f"cylinder 2D-2, Strouhal number, {nodes} nodes", text, f"{got:.4f}", ok)


def validated(full: bool) -> list[Row]:
    """All rows."""
    rows, nodes, body = (24, 24, 20) if full else (8, 16, 10)
    made = [*developed(rows), *balances(nodes), *benchmark(body, 0.01)]
    return [*made, shed(body)] if full else made
