"""Eddy promoters: the lattice-Boltzmann oracle against the literature, and what it conserves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch, Sample
from querist.core.errors import OracleRejected
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState
from querist.oracles.inputs import write_json

pytest.importorskip("numba")

FOLDER = Path(__file__).parents[2] / "examples" / "eddy_promoters"
MODULES = (
    "kernels",
    "lattice",
    "swarm",
    "problem",
    "cylinder",
    "wanted",
    "foam",
    "grid",
    "network",
    "drawing",
)
CORNERS = ((1, 0, 0.15, 1), (4, 1, 0.45, 0.6), (4, 0, 0.45, 0.6), (3, 0.4, 0.3, 0.8))


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
    # 24 / Re with the hydraulic diameter on two walls; the ends lower it a little.
    known = 24.0 / (2 * example.problem.REYNOLDS) * 2 * example.problem.LENGTH
    assert drag < known
    assert drag == pytest.approx(known, rel=0.02)
    channel = example.problem.settled(None, 16)
    pressure = np.nanmean(channel.field(0), axis=0) / 3.0
    fall = (pressure[80] - pressure[88]) / 8.0
    speed, viscosity = channel.speed, channel.viscosity
    assert fall == pytest.approx(12.0 * viscosity * speed / 16**2, rel=0.015)


def test_the_inlet_lets_a_parabola_in_that_stays_one(example) -> None:
    # On few nodes bounce-back alone lets fluid in across the channel: 6 % too fast in the middle.
    channel = example.lattice.Channel(16, 48, [], 0.08, 0.08 * 16 / 100)
    channel.advance(2400)
    along, across = (channel.field(n) / channel.speed for n in (1, 2))
    wanted = example.lattice.profile(16, 1.0)[:, None]
    assert np.abs(along - wanted)[:, :40].max() < 0.01
    assert np.abs(across)[:, :40].max() < 0.005


@pytest.mark.slow
def test_a_body_in_the_middle_is_not_lifted(example) -> None:
    channel = example.problem.settled((1, 1, 0.3, 1.0), 16)
    along, across = channel.drag[0]
    assert along > 0
    assert abs(across) < 1e-9 * along


def test_designs_are_what_they_say(example) -> None:
    for design in CORNERS:
        made = example.problem.bodies(design, 100)
        assert len(made) == design[0]
        for one in made:
            room = min(one.y, 100 - one.y) - one.radius
            assert room >= 100 * example.problem.GAP - 1e-9
            assert 100 <= one.x <= 500
    one, two, *_ = example.problem.bodies((4, 0.2, 0.2, 1), 100)
    assert one.y + two.y == pytest.approx(100)


def test_a_flow_that_does_not_settle_is_refused(example, monkeypatch) -> None:
    monkeypatch.setattr(example.lattice.Channel, "settle", lambda *_, **__: False)
    with pytest.raises(example.problem.OracleRejected, match="no steady state"):
        example.problem.settled((1, 1, 0.3, 1.0), 16)


@pytest.mark.slow
def test_the_cylinder_of_schaefer_and_turek(example) -> None:
    drag, lift = example.cylinder.coefficients(10)
    assert drag == pytest.approx(np.mean(example.cylinder.DRAG), rel=0.01)
    assert lift == pytest.approx(np.mean(example.cylinder.LIFT), rel=0.1)


def test_the_heat_that_counts_does_not_grow_with_the_nodes_at_the_corners(example) -> None:
    made = example.problem.channel(None, 16)
    made.speed, made.tally[example.kernels.OUTLET, 2] = 0.1, -0.8
    made.tally[example.kernels.INLET, 2] = -0.5  # straight from the walls' ends into the inlet
    made.tally[:2, 0] = 0.1
    drag, stanton = example.problem.numbers(made)
    assert drag == pytest.approx(0.2 / (0.5 * 0.1**2 * 16))
    assert stanton == pytest.approx(-math.log(1.0 - 0.8 / 1.6) / 12)


def test_worth_of_the_empty_channel_is_one_and_drag_has_its_price(example) -> None:
    assert example.problem.worth({"gains": (0.0, 1.0)}) == 1.0
    assert example.problem.worth({"gains": (math.log(3.0), 1.5)}, 0.1) == pytest.approx(1.3)
    np.testing.assert_allclose(
        example.wanted.worths([[0.0, 1.0], [math.log(3.0), 1.5]], 0.1), [1, 1.3]
    )


def test_a_swarm_finds_the_lowest_point_and_begins_anew(example) -> None:
    swarm = example.swarm.Swarm([0, -1], [4, 1], whole=(0,), seed=3)
    lowest = np.inf
    for _ in range(400):
        points = swarm.ask()
        assert (points >= [0, -1]).all()
        assert (points <= [4, 1]).all()
        assert (points[:, 0] == np.round(points[:, 0])).all()
        values = (points[:, 0] - 3) ** 2 + (points[:, 1] - 0.3) ** 2
        lowest = min(lowest, values.min())
        swarm.tell(points, values)
    assert lowest < 1e-3
    assert swarm.starts > 1


class Sure:
    """Says the gains that it is asked about, and has no doubt."""

    def fit(self, dataset, request) -> FitResult:
        return FitResult(ModelState({}, {}))

    def load(self, state) -> None:
        assert not state.data

    def predict(self, batch) -> Prediction:
        gains = np.asarray(batch["x"])
        return Prediction(Batch.stack(gains=gains), Batch.stack(gains=np.full_like(gains, 0.001)))


def test_what_promises_more_than_the_best_label_is_wanted(example) -> None:
    model = example.wanted.Wanted(Sure(), prices=(0.0, 0.1))
    gains = np.array([[0.0, 1.0], [1.0, 1.2]])
    state = model.fit(Dataset(Batch.stack(x=gains), Batch.stack(gains=gains)), FitRequest()).state
    model.load(state)
    said = model.predict(Batch.stack(x=[[1.0, 1.2], [1.0, 1.3], [0.5, 0.9]]))
    assert said.uncertainty("wanted") == pytest.approx([0.001, 0.2, 0.001])


def test_refused_designs_are_left_out_and_a_grid_is_read_back(example, tmp_path) -> None:
    def refuses(design):
        raise OracleRejected("no")

    assert example.grid.answered(refuses, (1,)) is None
    assert len(example.grid.designs((1, 3), 4)) == 32
    np.savez(tmp_path / "grid.npz", gains=np.ones((2, 2)), refused=1)
    held = example.grid.dense(tmp_path / "grid.npz", refuses, [(1,)])
    assert held["refused"] == 1


def test_the_front_is_what_no_other_beats(example) -> None:
    drag = np.array([1.0, 2.0, 3.0, 2.5, 2.0])
    heat = np.array([1.0, 1.4, 1.6, 1.3, 1.2])
    assert example.drawing.front(drag, heat).tolist() == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.torch
def test_the_network_sees_the_geometry_upside_down_as_well(example) -> None:
    pytest.importorskip("torch")
    designs = np.array([(2, 0.2, 0.3, 1.0), (1, 1.0, 0.3, 1.0), (3, 0.6, 0.2, 0.8)])
    shapes = example.network.geometries(designs, 8)
    for design, shape in zip(designs, shapes, strict=True):
        owner = example.lattice.owners(8, 48, example.problem.bodies(design, 8))
        np.testing.assert_array_equal(shape > 0, owner[1:-1, 1:-1] == example.lattice.FLUID)
    fields = np.random.default_rng(0).normal(size=(3, 3, 8, 48))
    data = Dataset(Batch.stack(x=designs), Batch.stack(fields=fields))
    both = example.network.mirrored(data, 8)
    np.testing.assert_array_equal(both.inputs["geometry"][3], shapes[0, ::-1])
    np.testing.assert_array_equal(both.outputs["across"][3], -fields[0, 1, ::-1])
    np.testing.assert_array_equal(both.outputs["warm"][3], fields[0, 2, ::-1])
    model = example.network.learned(data, 8, epochs=2, members=2, width=4)
    said, doubt = example.network.predicted(model, designs, 8)
    assert said.shape == fields.shape
    assert (said[:, 0][shapes <= 0] == 0).all()
    assert doubt.max() > 0


def test_openfoam_gets_the_same_promoters_and_a_sound_mesh(example) -> None:
    for design in CORNERS:
        there = [(b.x, b.y, b.radius) for b in example.problem.bodies(design, 1)]
        np.testing.assert_allclose(example.foam.circles(design), there)
        mesh = example.foam.Mesh(design)
        points = np.array(mesh.points)
        assert ((points >= 0) & (points <= [6, 1])).all()
        area = sum(map(abs, corners_area(points, mesh)))
        assert min(corners_area(points, mesh)) > 0  # counter-clockwise, none folded over
        squares = sum(2 * radius**2 for _, _, radius in there)  # arcs are counted as chords
        assert area == pytest.approx(6 - squares)


def corners_area(points: np.ndarray, mesh) -> list[float]:
    """Signed areas of the blocks, their edges taken as straight."""
    found = []
    for block in mesh.blocks:
        front = [int(n) // 2 for n in block[5 : block.index(")")].split()[:4]]
        x, y = points[front].T
        found.append(0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return found


def test_openfoam_that_is_not_here_is_told_in_a_sentence(example, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "apt-get install" in example.foam.missing()
    with pytest.raises(RuntimeError, match="apt-get install"):
        example.foam.program("blockMesh", Path())


def test_openfoam_as_a_command_reads_what_the_oracle_writes(example, monkeypatch, tmp_path) -> None:
    sample = Sample.of({"x": np.array([2.0, 1.0, 0.4, 1.0])})
    write_json(tmp_path / "input.json", sample)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(example.foam, "missing", lambda: None)
    monkeypatch.setattr(example.foam, "simulate", lambda design, folder: {"design": design})
    example.foam.main([])
    assert json.loads((tmp_path / "output.json").read_text()) == {"design": [2.0, 1.0, 0.4, 1.0]}


@pytest.mark.slow
def test_openfoam_agrees_with_the_lattice(example, tmp_path) -> None:
    if sentence := example.foam.missing():
        pytest.skip(sentence)
    design = (2, 1.0, 0.4, 1.0)
    said = example.foam.simulate(design, tmp_path / "two", 12)
    empty = example.foam.simulate(None, tmp_path / "none", 12)
    drag, stanton = example.problem.numbers(example.problem.settled(design, 24))
    log_drag, heat = example.problem.gains(drag, stanton, 24)
    assert math.log(said["drag"] / empty["drag"]) == pytest.approx(log_drag, abs=0.06)
    assert said["stanton"] / empty["stanton"] == pytest.approx(heat, abs=0.03)
