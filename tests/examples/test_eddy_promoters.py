"""Eddy promoters: the lattice-Boltzmann oracle against the literature, and what it conserves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

FOLDER = Path(__file__).parents[2] / "examples" / "eddy_promoters"
MODULES = ("kernels", "lattice", "problem", "cylinder")


@pytest.mark.parametrize(("walls", "known"), [((1.0, 1.0), 7.541), ((math.nan, 1.0), 4.861)])
def test_developed_nusselt_numbers(example, walls, known) -> None:
    # Shah and London, Laminar Flow Forced Convection in Ducts, 1978: plates at one temperature, or
    # one of them insulated; with the hydraulic diameter, twice the gap.
    rows, speed = 8, 0.1
    channel = example.lattice.Channel(rows, 16 * rows, [], speed, 0.1, speed * rows / 50, walls)
    assert channel.settle(1e-5, 20_000)
    assert channel.nusselt(14 * rows) == pytest.approx(known, rel=0.01)


@pytest.mark.slow
def test_heat_and_momentum_are_conserved(example) -> None:
    body = example.lattice.Circle(16.0, 7.0, 2.6)
    channel = example.lattice.Channel(16, 64, [body], 0.08, 0.02, 0.03)
    assert channel.settle(1e-7, 20_000)
    given, carried = channel.heat
    assert given > 0
    assert carried == pytest.approx(given, rel=1e-5)
    # Links keep these books themselves; the fields, which no link's book knows, agree with them.
    between = sum(channel.slope(wall, slice(41, 60)).sum() for wall in range(2))
    ends = sum(channel.slope(wall, column) for wall in range(2) for column in (40, 60))
    gained = channel.carried(60) - channel.carried(40)
    assert gained == pytest.approx(channel.diffusivity * (between + 0.5 * ends), rel=0.01)
    assert abs(channel.tally[:, 0].sum()) < 1e-5 * channel.drag[0, 0]
    flux = np.nansum(channel.field(1), axis=0)
    clear = np.r_[:11, 21:64]  # a body's edge cuts nodes
    assert flux[clear] == pytest.approx(np.full(len(clear), 0.08 * 16), rel=1e-4)


@pytest.mark.slow
def test_an_empty_channel_has_the_drag_of_a_parabola(example) -> None:
    drag, _ = example.problem.empty(16)
    # 24 / Re with the hydraulic diameter on two walls; a coarse inlet and the ends lower it.
    known = 24.0 / (2 * example.problem.REYNOLDS) * 2 * example.problem.LENGTH
    assert drag < known
    assert drag == pytest.approx(known, rel=0.15)
    channel = example.problem.settled(None, 16)
    pressure = np.nanmean(channel.field(0), axis=0) / 3.0
    fall = (pressure[80] - pressure[88]) / 8.0  # what the coarse inlet disturbed has settled here
    speed, viscosity = channel.speed, channel.viscosity
    assert fall == pytest.approx(12.0 * viscosity * speed / 16**2, rel=0.015)


@pytest.mark.slow
def test_a_body_in_the_middle_is_not_lifted(example) -> None:
    channel = example.problem.settled((1, 1, 0.3), 16)
    along, across = channel.drag[0]
    assert along > 0
    assert abs(across) < 1e-9 * along


def test_designs_are_what_they_say(example) -> None:
    for design in ((1, 0, 0.15), (4, 1, 0.45), (3, 0.4, 0.3)):
        made = example.problem.bodies(design, 100)
        assert len(made) == design[0]
        for one in made:
            room = min(one.y, 100 - one.y) - one.radius
            assert room >= 100 * example.problem.GAP - 1e-9
            assert 100 <= one.x <= 500
    one, two, *_ = example.problem.bodies((4, 0.2, 0.2), 100)
    assert one.y + two.y == pytest.approx(100)


def test_a_flow_that_does_not_settle_is_refused(example, monkeypatch) -> None:
    monkeypatch.setattr(example.lattice.Channel, "settle", lambda *_, **__: False)
    with pytest.raises(example.problem.OracleRejected, match="no steady state"):
        example.problem.settled((1, 1, 0.3), 16)


@pytest.mark.slow
def test_the_cylinder_of_schaefer_and_turek(example) -> None:
    drag, lift = example.cylinder.coefficients(10)
    assert drag == pytest.approx(np.mean(example.cylinder.DRAG), rel=0.01)
    assert lift == pytest.approx(np.mean(example.cylinder.LIFT), rel=0.1)
