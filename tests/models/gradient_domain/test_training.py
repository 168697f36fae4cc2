import numpy as np
import pytest
from toy_molecule import NUMBERS, SWAPS, geometries, label, training_set

from querist.models.gradient_domain import (
    FitSettings,
    IllConditionedError,
    Predictor,
    TrainingSet,
    close_group,
)
from querist.models.gradient_domain.kernel import KERNELS
from querist.models.gradient_domain.state import Species
from querist.models.gradient_domain.training import System


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def fit(data, settings, length=1.5):
    member = System.assemble(data, length, settings).fit(np.arange(len(data)))
    return Predictor(Species(data.numbers, data.permutations, settings.kernel), [member])


@pytest.mark.parametrize("energy_weight", [0.0, 10.0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_labels_are_reproduced_and_others_predicted(rng, kernel, energy_weight):
    data = training_set(rng, 40)
    predictor = fit(data, FitSettings(kernel=kernel, energy_weight=energy_weight))
    seen = predictor.predict(data.positions)
    assert np.abs(seen.forces[0] - data.forces).max() < 5e-3
    assert np.abs(seen.energies[0] - data.energies).max() < 5e-3
    positions = geometries(rng, 30)
    energies, forces = label(positions)
    unseen = predictor.predict(positions)
    assert np.abs(unseen.forces[0] - forces).mean() < 0.1 * np.abs(forces).mean()
    assert np.abs(unseen.energies[0] - energies).mean() < 0.1 * energies.std()


def test_energies_weigh_more_the_larger_their_weight(rng):
    data = training_set(rng, 12)
    # Forces that belong to no energy: the two cannot both be fitted.
    data = TrainingSet.of(NUMBERS, data.positions, data.energies, -data.forces)
    errors = []
    for weight in (0.0, 0.1, 10.0):
        predicted = fit(data, FitSettings(energy_weight=weight, regularisation=1e-2))
        residual = predicted.predict(data.positions).energies[0] - data.energies
        errors.append(np.abs(residual).mean())
    assert errors[0] > errors[1] > errors[2]


def test_the_constant_of_the_energy_does_not_matter(rng):
    data = training_set(rng, 20)
    shifted = TrainingSet.of(NUMBERS, data.positions, data.energies + 1e4, data.forces)
    positions = geometries(rng, 5)
    here, there = (fit(which, FitSettings()).predict(positions) for which in (data, shifted))
    assert there.energies - 1e4 == pytest.approx(here.energies, abs=1e-6)
    assert there.forces == pytest.approx(here.forces, abs=1e-6)


def test_more_regularisation_fits_labels_less(rng):
    data = training_set(rng, 20)
    errors = [
        np.abs(
            fit(data, FitSettings(regularisation=value)).predict(data.positions).forces[0]
            - data.forces
        ).mean()
        for value in (1e-8, 1e-4, 1e-1)
    ]
    assert errors[0] < errors[1] < errors[2]


def test_permutations_learn_from_the_images_of_a_geometry(rng):
    data = training_set(rng, 15)
    group = close_group(SWAPS)
    symmetric = TrainingSet.of(NUMBERS, data.positions, data.energies, data.forces, group)
    images = data.positions[:, [0, 1, 3, 4, 2]]
    forces = data.forces[:, [0, 1, 3, 4, 2]]
    with_group, without = (
        np.abs(fit(which, FitSettings()).predict(images).forces[0] - forces).mean()
        for which in (symmetric, data)
    )
    assert with_group < 1e-3 < without


def test_a_diatomic_molecule_can_be_fitted():
    distances = np.linspace(0.9, 1.5, 12)
    positions = np.zeros((12, 2, 3))
    positions[:, 1, 0] = distances
    energies = (distances - 1.2) ** 2
    forces = np.zeros_like(positions)
    forces[:, 1, 0] = -2 * (distances - 1.2)
    forces[:, 0] = -forces[:, 1]
    data = TrainingSet.of([6, 8], positions, energies, forces)
    predicted = fit(data, FitSettings()).predict(positions[3:4] * 1.02)
    assert predicted.energies[0, 0] == pytest.approx((distances[3] * 1.02 - 1.2) ** 2, abs=1e-4)


def test_planar_geometries_can_be_fitted(rng):
    positions = geometries(rng, 10)
    positions[:, :, 2] = 0.0
    positions[:, 0] += [0.0, 1.0, 0.0]
    data = TrainingSet.of(NUMBERS, positions, *label(positions))
    predicted = fit(data, FitSettings()).predict(positions)
    assert predicted.forces[0] == pytest.approx(data.forces, abs=1e-2)


def test_a_duplicate_geometry_needs_only_the_regularisation(rng):
    data = training_set(rng, 8)
    twice = data.take(np.array([0, 0, 1, 2, 3, 4, 5, 6, 7]))
    fit(twice, FitSettings())
    with pytest.raises(IllConditionedError):
        fit(twice, FitSettings(regularisation=1e-25))


def test_a_matrix_too_large_for_the_memory_allowed_is_refused(rng):
    with pytest.raises(ValueError, match="max_bytes"):
        fit(training_set(rng, 10), FitSettings(max_bytes=1000))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": np.zeros((3, 4, 3))}, r"positions of shape \(3, 5, 3\)"),
        ({"forces": np.zeros((2, 5, 3))}, r"forces of shape \(3, 5, 3\)"),
        ({"energies": np.array([0.0, np.nan, 0.0])}, "finite energies"),
        ({"permutations": SWAPS}, "group"),
        ({"numbers": [1]}, "at least 2 atoms"),
    ],
)
def test_a_training_set_checks_its_arrays(rng, change, message):
    positions = geometries(rng, 3)
    energies, forces = label(positions)
    arrays = {"numbers": NUMBERS, "positions": positions, "energies": energies, "forces": forces}
    with pytest.raises(ValueError, match=message):
        TrainingSet.of(**(arrays | change))


@pytest.mark.parametrize(
    "wrong", [{"kernel": "none"}, {"regularisation": 0.0}, {"energy_weight": -1.0}]
)
def test_settings_refuse_values_without_a_meaning(wrong):
    with pytest.raises(ValueError, match="wanted"):
        FitSettings(**wrong)
