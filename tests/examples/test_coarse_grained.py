"""The example of coarse-grained beads: its oracle, its torsions, and that its check can fail.

The campaign runs in the examples' stage of CI, not here.
"""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "coarse_grained"
MODULES = ("peptide", "sampling", "problem", "compare", "drawing", "check")


@pytest.fixture
def known(example):
    return example.check.Known.load()


def slopes(energy, beads, step=1e-5):
    """Minus the derivative of ``energy((n, 6, 3)) -> (n,)``."""
    found = np.zeros_like(beads)
    for place in np.ndindex(beads.shape[1:]):
        shift = np.zeros_like(beads)
        shift[(slice(None), *place)] = step
        found[(slice(None), *place)] = -(energy(beads + shift) - energy(beads - shift)) / (2 * step)
    return found


def test_atoms_are_put_back_where_they_were(example) -> None:
    peptide = example.peptide
    np.testing.assert_allclose(
        peptide.atoms_around(peptide.extended()[peptide.BEADS]), peptide.extended(), atol=1e-9
    )


def test_torsions_have_the_sign_of_iupac(example) -> None:
    four = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [0.0, -1, 1]])
    # Looking from the second atom to the third, the last is a quarter turn anticlockwise.
    assert example.peptide.torsion(four, (0, 1, 2, 3)) == pytest.approx(-np.pi / 2)


def test_umbrella_and_bias_are_derivatives_of_their_energies(example, known) -> None:
    problem, beads, walkers = example.problem, known.beads[:3], np.array([0, 7, 40])

    def umbrella(x):
        away = np.radians(example.peptide.torsions(x) - problem.TARGETS[walkers % 36])
        return problem.PULL * (2 - np.cos(away).sum(axis=1))

    np.testing.assert_allclose(problem.umbrella(beads, walkers), slopes(umbrella, beads), atol=1e-6)
    bias = example.sampling.Bias.against(example.sampling.free_energy(known.probability))
    scale = example.peptide.KT / example.sampling.KJ
    wanted = slopes(lambda x: scale * bias(example.peptide.torsions(x)), beads)
    np.testing.assert_allclose(bias.forces(beads), wanted, atol=2e-3)


def test_a_flat_bias_gives_back_the_map_and_others_are_told_apart(example, known) -> None:
    check, sampling = example.check, example.sampling
    assert check.map_error(known.probability, known.probability) == pytest.approx(0.0, abs=1e-9)
    turned = known.probability.T
    assert check.map_error(turned, known.probability) > 5.0
    helix, left = check.shares(known.probability)
    got = check.Sampled(turned, 9.0, *check.shares(turned), 0, 1.0)
    rows = check.map_rows(got, known, check.FULL)
    assert 0.3 < helix < 0.5
    assert 8.0 < left < 11.0
    assert not rows[0].holds
    assert not all(row.holds for row in rows[1:])
    angles = np.stack(np.meshgrid(sampling.CENTRES, sampling.CENTRES, indexing="ij"), -1)
    weights = sampling.KJ * np.log(known.probability + 1e-12)
    found = sampling.density(angles.reshape(-1, 2), weights.ravel())
    np.testing.assert_allclose(found, known.probability, atol=1e-9)


def test_walkers_that_come_apart_are_put_back_and_counted(example, known) -> None:
    sampling, starts = example.sampling, known.beads[:4]
    flat = sampling.Bias(np.zeros((sampling.BINS, sampling.BINS)))
    rng = np.random.default_rng(0)
    held = sampling.walk(lambda x: -40.0 * (x - starts), starts, 200, rng, flat)
    free = sampling.walk(np.zeros_like, starts, 400, rng, flat)
    assert held.lost == 0
    assert held.angles.shape == (10, 4, 2)
    assert free.lost > 0


def test_forces_are_those_of_openmm_s_own_files(example, known) -> None:
    mm = pytest.importorskip("openmm")
    from openmm import app

    peptide = example.peptide
    molecule = peptide.Molecule(1)
    molecule.put(peptide.atoms_around(known.beads[0]))
    molecule.step(100)
    field = app.ForceField("amber14-all.xml", "implicit/obc2.xml")
    whole = field.createSystem(peptide.topology(), nonbondedMethod=app.NoCutoff)
    platform = mm.Platform.getPlatformByName("Reference")
    context = mm.Context(whole, mm.VerletIntegrator(0.001), platform)
    context.setPositions(molecule.positions() / 10.0)
    true = context.getState(getForces=True).getForces(asNumpy=True)._value
    wanted = peptide.HANGS @ np.asarray(true) * (peptide.EV_PER_KJ / 10.0)
    np.testing.assert_allclose(molecule.forces(), wanted, atol=1e-4)  # constants differ in a digit


def test_beads_stand_where_they_were_put(example, known) -> None:
    pytest.importorskip("openmm")
    molecule = example.peptide.Molecule(1, held=True)
    molecule.put(example.peptide.atoms_around(known.beads[0]))
    before = molecule.positions()
    molecule.step(50)
    after = molecule.positions()
    beads = example.peptide.BEADS
    np.testing.assert_allclose(after[beads], known.beads[0], atol=1e-9)
    assert np.abs(after - before).max() > 0.05


def test_labels_are_what_longer_averages_say_within_their_errors(example, known) -> None:
    pytest.importorskip("openmm")
    said = [example.problem.held_beads(beads) for beads in known.beads[:6]]
    forces, errors = (np.array([one[name] for one in said]) for name in said[0])
    off = (forces - known.forces[:6]) / np.hypot(errors, known.errors[:6])
    assert 0.5 < np.sqrt(np.mean(off**2)) < 1.6
    np.testing.assert_allclose(forces.sum(axis=1), 0.0, atol=1e-9)


def test_without_openmm_it_says_how_to_get_it(example, monkeypatch) -> None:
    whole = builtins.__import__

    def without(name, *rest, **named):
        if name == "openmm":
            raise ModuleNotFoundError("no openmm")
        return whole(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SystemExit, match="pip install openmm"):
        example.peptide.openmm()


def test_pictures_are_drawn(example, known, tmp_path) -> None:
    asked = example.peptide.torsions(known.beads)
    example.drawing.draw_maps(known.probability, known.probability.T, asked, tmp_path / "maps.png")
    assert (tmp_path / "maps.png").stat().st_size > 5_000
