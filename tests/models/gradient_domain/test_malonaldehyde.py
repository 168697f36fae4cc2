"""The proton transfer of malonaldehyde, learned from GFN2-xTB."""

import sys
from pathlib import Path

import numpy as np
import pytest

from querist.models.gradient_domain import TrainingSet, detect_group, fit_committee

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples" / "proton_transfer"))
import molecule

BOHR = 0.529177210903
HARTREE = 27.211386245988

pytestmark = pytest.mark.chem


@pytest.fixture(scope="module")
def oracle():
    interface = pytest.importorskip("tblite.interface")

    def evaluate(positions):
        calculator = interface.Calculator("GFN2-xTB", molecule.NUMBERS, positions / BOHR)
        calculator.set("verbosity", 0)
        result = calculator.singlepoint()
        gradient = np.asarray(result.get("gradient"))
        return float(result.get("energy")) * HARTREE, -gradient * HARTREE / BOHR

    return evaluate


def test_the_stored_geometries_are_the_oracles_stationary_points(oracle):
    energies = []
    for geometry in (molecule.MINIMUM, molecule.TRANSITION_STATE, molecule.MIRROR_MINIMUM):
        energy, forces = oracle(geometry)
        assert np.abs(forces).max() < 2e-3
        energies.append(energy)
    assert energies[2] == pytest.approx(energies[0], abs=1e-6)
    barrier = (energies[1] - energies[0]) / molecule.KCAL_PER_MOL
    assert barrier == pytest.approx(3.758, abs=2e-3)
    assert molecule.oxygen_distance(molecule.TRANSITION_STATE) == pytest.approx(2.419, abs=1e-3)
    coordinates = [
        molecule.transfer_coordinate(geometry)
        for geometry in (molecule.MINIMUM, molecule.TRANSITION_STATE, molecule.MIRROR_MINIMUM)
    ]
    assert coordinates == pytest.approx([-0.720, 0.0, 0.720], abs=1e-3)


def test_the_searches_find_the_stationary_points_again(oracle):
    rng = np.random.default_rng(0)
    nudge = 0.03 * rng.normal(size=(9, 3))
    energy, found = molecule.find_minimum(oracle, molecule.MINIMUM + nudge)
    assert energy == pytest.approx(oracle(molecule.MINIMUM)[0], abs=1e-4)
    assert molecule.transfer_coordinate(found) == pytest.approx(-0.720, abs=0.01)
    energy, found = molecule.find_transition_state(oracle, molecule.TRANSITION_STATE + nudge)
    assert energy == pytest.approx(oracle(molecule.TRANSITION_STATE)[0], abs=1e-4)
    assert molecule.oxygen_distance(found) == pytest.approx(2.419, abs=5e-3)


def distorted(rng, count):
    """Geometries along the transfer, from one minimum to the other, with random displacements."""
    share = rng.uniform(-1.0, 1.0, size=count)[:, None, None]
    ends = np.where(share < 0, molecule.MINIMUM, molecule.MIRROR_MINIMUM)
    path = (1.0 - np.abs(share)) * molecule.TRANSITION_STATE + np.abs(share) * ends
    return path + 0.04 * rng.normal(size=path.shape)


def test_a_committee_learns_the_transfer(oracle):
    rng = np.random.default_rng(1)
    positions = distorted(rng, 160)
    labels = [oracle(geometry) for geometry in positions]
    energies = np.array([energy for energy, _ in labels])
    forces = np.array([force for _, force in labels])

    group = detect_group(molecule.NUMBERS, positions)
    assert np.array_equal(group, molecule.PERMUTATIONS)
    data = TrainingSet.of(molecule.NUMBERS, positions[:100], energies[:100], forces[:100], group)
    predictor = fit_committee(data).predictor()

    predicted = predictor.predict(positions[100:])
    residual = predicted.mean()[1] - forces[100:]
    assert np.abs(residual).mean() < 0.05

    def surface(geometry):
        energy, force = predictor.predict(geometry[None]).mean()
        return float(energy[0]), force[0]

    saddle, _ = molecule.find_transition_state(surface)
    left, _ = molecule.find_minimum(surface, molecule.MINIMUM)
    right, _ = molecule.find_minimum(surface, molecule.MIRROR_MINIMUM)
    assert right == pytest.approx(left, abs=1e-6)
    assert (saddle - left) / molecule.KCAL_PER_MOL == pytest.approx(3.758, abs=0.3)
