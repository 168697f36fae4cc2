"""The example of adaptive sampling: its angles, its generators and models, on made-up frames.

Dynamics run in the examples' stage of CI, not here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.roles import FitRequest
from querist.testing.contexts import worker_context
from querist.testing.generators import GENERATOR_CHECKS, GeneratorCase

pytest.importorskip("openmm")
pytest.importorskip("PeptideBuilder")

FOLDER = Path(__file__).parents[2] / "examples" / "adaptive_sampling"
MODULES = (
    *("molecules", "dynamics", "restarts", "problem", "landscape", "networks", "latent"),
    *("reference", "compare", "gain"),
)


def moved(arrays) -> dict:
    """Frames that are where a walker begins, moved a little."""
    positions = np.asarray(arrays["positions"], np.float32)
    return {"frames": np.stack([positions + 0.1, positions + 0.2])}


@pytest.mark.parametrize("angle", [-150.0, -60.0, 0.0, 60.0, 179.0])
def test_a_torsion_has_the_sign_of_iupac(example, angle) -> None:
    """Seen along the middle bond, the far one is turned clockwise by a positive angle."""
    turn = np.radians(angle)
    atoms = [[1, 0, 0], [0, 0, 0], [0, 0, -1.5], [np.cos(turn), -np.sin(turn), -1.5]]
    found = example.molecules.dihedrals(np.array([atoms]), np.array([[0, 1, 2, 3]]))
    assert np.isclose(found, angle)


def test_the_molecule_is_of_l_alanine_and_built_alike_each_time(example) -> None:
    built = example.molecules.molecule("alanine")
    again = example.molecules.molecule.__wrapped__("alanine")
    assert np.array_equal(built.positions, again.positions)
    names = {atom.name: atom.index for atom in built.topology.atoms() if atom.residue.index == 1}
    n, ca, c, cb = (built.positions[names[name]] for name in ("N", "CA", "C", "CB"))
    assert np.cross(n - ca, c - ca) @ (cb - ca) > 0


@pytest.mark.parametrize("check", GENERATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["Restarts", "Plain"])
def test_generators_keep_the_contract(example, check, name, tmp_path) -> None:
    case = GeneratorCase(name, getattr(example.restarts, name), moved)
    check(case, worker_context(tmp_path, seed=1))


def test_cells_that_were_seen_less_are_wanted_more(example) -> None:
    built = example.molecules.molecule("alanine")
    turned = built.positions * np.array([1.0, 1.0, -1.0])  # all torsions change their sign
    frames = np.stack([[built.positions] * 3, [built.positions, built.positions, turned]])
    inputs = Batch.stack(positions=frames[:, 0], seed=np.arange(2))
    model = example.problem.TorsionCells()
    model.load(model.fit(Dataset(inputs, Batch.stack(frames=frames)), FitRequest()).state)
    asked = Batch.stack(positions=np.stack([built.positions, turned]), seed=np.array([7, 7]))
    often, seldom = model.predict(asked).uncertainty("least_visited")
    np.testing.assert_allclose(seldom / often, 3.0**2)  # visited five times, and once


@pytest.mark.slow  # imports deeptime and its scikit-learn
def test_restarts_do_not_bias_the_markov_model(example) -> None:
    """A chain over three bins, begun mostly where it seldom is, has its known distribution."""
    pytest.importorskip("deeptime")
    land, rng = example.landscape, np.random.default_rng(3)
    chain = np.array([[0.90, 0.10, 0.00], [0.04, 0.94, 0.02], [0.00, 0.10, 0.90]])
    true = np.array([0.25, 0.625, 0.125])  # detailed balance: 0.1 / 0.04 and 0.02 / 0.1
    np.testing.assert_allclose(true @ chain, true)
    places = np.array([[-110.0, 130.0], [-70.0, -30.0], [60.0, 40.0]])
    segments = []
    for begin in rng.choice(3, 800, p=[0.1, 0.1, 0.8]):
        states = [begin]
        for _ in range(40):
            states.append(rng.choice(3, p=chain[states[-1]]))
        segments.append(places[states])
    bins = land.bins_of(places)
    plain = land.counted(np.concatenate(segments)).weights[bins]
    assert plain[2] > 0.25  # counted as they are, the rare bin has more than twice its weight
    np.testing.assert_allclose(land.markov(segments, 1).weights[bins], true, atol=0.03)


def test_the_basins_are_where_they_are_known_to_be(example) -> None:
    angles = np.array([[-150, 150], [-70, 145], [-65, -40], [55, 45], [70, -60], [170, 170.0]])
    assert example.landscape.basins_of(angles).tolist() == [0, 1, 2, 3, 4, 0]


@pytest.mark.slow  # imports torch
def test_what_a_latent_space_has_seldom_seen_is_wanted_more(example) -> None:
    """Half the frames are alike, half are another molecule's mirror image with much noise."""
    pytest.importorskip("torch")
    built = example.molecules.molecule("alanine").positions
    rng = np.random.default_rng(0)
    often = built + 0.02 * rng.standard_normal((190, *built.shape))
    seldom = 1.3 * built + 0.02 * rng.standard_normal((10, *built.shape))
    frames = np.concatenate([often, seldom]).astype(np.float32)
    model = example.latent.LatentSpace(cells=10, options={"epochs": 30})
    model.load(model.fit_frames(frames, FitRequest(seed=1)).state)
    asked = Batch.stack(positions=frames, seed=np.full(len(frames), 12345))
    said = model.predict(asked)
    for name in ("least_visited", "outliers"):
        wanted = said.uncertainty(name)
        assert np.median(wanted[190:]) > 3.0 * np.median(wanted[:190])
    again = example.latent.LatentSpace(cells=10, options={"epochs": 30})
    again.load(model.fit_frames(frames, FitRequest(seed=1)).state)
    assert np.array_equal(again.predict(asked).mean["latent"], said.mean["latent"])


def test_draws_follow_their_weights(example) -> None:
    weights = np.repeat([1.0, 3.0], 20_000)
    batch = Batch.stack(seed=np.random.default_rng(0).integers(2**31, size=40_000))
    keys = example.problem.drawn(weights, batch)
    chosen = np.argsort(-keys)[:2_000]
    assert 0.72 < (chosen >= 20_000).mean() < 0.78


def test_rates_and_their_ratios_have_the_intervals_of_the_tables(example) -> None:
    rate = example.gain.Rate
    low, high = rate(10, 1000.0).interval  # Garwood: 4.795 to 18.39 for ten events
    np.testing.assert_allclose([low, high], [4.795, 18.39], rtol=1e-3)
    assert rate(0, 1000.0).interval[0] == 0.0
    times, (low, high) = rate(8, 500.0).over(rate(8, 1000.0))
    assert times == 2.0
    assert low < 1.0 < 2.0 < high
    assert np.isclose(low * high, 4.0)  # equal counts: alike on both sides of the ratio
    times, (low, high) = rate(5, 500.0).over(rate(0, 1000.0))
    assert times == high == np.inf
    assert low > 1.0


def test_a_map_is_near_from_the_part_on_after_which_it_stays_near(example) -> None:
    errors = [3.0, 0.9, 1.2, 0.8, 0.7]
    assert example.gain.within(errors, 1000.0, 1.0) == 800.0
    assert example.gain.within(errors, 1000.0, 0.5) == np.inf
    assert example.gain.within(errors, 1000.0, 5.0) == 200.0


def test_what_a_map_lacks_counts_as_far_off(example) -> None:
    land = example.landscape
    weights = np.zeros(land.BINS**2)
    weights[:4] = 0.25
    known = land.Landscape(weights, 4)
    lacking = np.where(np.arange(len(weights)) < 3, weights, 0.0) / 0.75
    assert land.shortfall(known, known) == 0.0
    assert np.isclose(land.shortfall(land.Landscape(lacking, 3), known), np.sqrt(25.0 / 4.0))
    assert land.difference(land.Landscape(lacking, 3), known) == 0.0


def test_the_bias_of_the_flat_run_is_minus_the_known_free_energy(example) -> None:
    """At phi and psi, not the other way round: the map is different along both."""
    openmm, land = pytest.importorskip("openmm"), example.landscape
    middle = np.radians(0.5 * (land.EDGES[1:] + land.EDGES[:-1]))
    energy = 2.0 + np.add.outer(2.0 * np.cos(middle), np.sin(middle))
    weights = np.exp(-energy.ravel())
    built = example.molecules.molecule("alanine")
    system = openmm.System()
    for _ in built.positions:
        system.addParticle(1.0)
    system.addForce(example.reference.flattening(land.Landscape(weights / weights.sum(), 1)))
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(0.1 * built.positions)
    said = context.getState(getEnergy=True).getPotentialEnergy()._value / example.reference.KT
    phi, psi = np.radians([-120.0, 140.0])
    wanted = energy.min() - 2.0 - 2.0 * np.cos(phi) - np.sin(psi)
    assert np.isclose(said, wanted, atol=0.15)
