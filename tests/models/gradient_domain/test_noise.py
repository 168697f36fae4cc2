import numpy as np
import pytest
from toy_molecule import NUMBERS, geometries, label

from querist.core.answers import Dataset
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.core.roles import FitRequest
from querist.models.gradient_domain import (
    FitSettings,
    GradientDomain,
    Predictor,
    TrainingSet,
)
from querist.models.gradient_domain.gram import force_gram, training_points
from querist.models.gradient_domain.kernel import kernel_named
from querist.models.gradient_domain.noise import prior_variance, variances_of
from querist.models.gradient_domain.state import Species
from querist.models.gradient_domain.symmetry import identity_group
from querist.models.gradient_domain.training import System


def forces_of(data, positions, **settings):
    member = System.assemble(data, 1.5, FitSettings(**settings)).fit(np.arange(len(data)))
    species = Species(data.numbers, data.permutations, "inverse_quadratic")
    return Predictor(species, [member]).predict(positions).forces[0]


def test_the_prior_variance_is_that_from_which_labels_were_drawn():
    rng = np.random.default_rng(2)
    points = training_points(geometries(rng, 20), identity_group(len(NUMBERS)))
    gram = force_gram(points, kernel_named("gaussian"), 0.5)
    gram = np.tril(gram) + np.tril(gram, -1).T
    variances = rng.uniform(0.5, 2.0, len(gram)) * 0.01 * np.diagonal(gram).mean()
    half = np.linalg.cholesky(9.0 * gram + np.diag(variances))
    found = [
        prior_variance(np.tril(gram), half @ rng.normal(size=len(gram)), variances)
        for _ in range(8)
    ]
    assert np.mean(np.log(found)) == pytest.approx(np.log(9.0), abs=0.25)


def test_errors_are_projected_and_never_nothing():
    rng = np.random.default_rng(3)
    points = training_points(geometries(rng, 4), identity_group(len(NUMBERS)))
    labels = rng.normal(size=4 * points.width)
    same = variances_of(points.bases, np.full((4, len(NUMBERS), 3), 0.2), labels)
    assert same == pytest.approx(0.04)  # the bases are orthonormal
    assert (variances_of(points.bases, np.zeros((4, len(NUMBERS), 3)), labels) > 0).all()


def test_noisy_forces_are_smoothed_as_their_errors_say():
    rng = np.random.default_rng(4)
    positions, others = geometries(rng, 60), geometries(rng, 30)
    true, wanted = label(positions)[1], label(others)[1]
    errors = np.where(np.arange(60) % 2, 0.02, 1.0)[:, None, None] * np.ones_like(true)
    noisy = true + errors * rng.normal(size=true.shape)
    told = TrainingSet.of(NUMBERS, positions, None, noisy, errors=errors)
    untold = TrainingSet.of(NUMBERS, positions, None, noisy)
    off = [np.abs(forces_of(data, others) - wanted).mean() for data in (told, untold)]
    assert off[0] < 0.5 * off[1]


def dataset(count, energies, errors=None):
    positions = geometries(np.random.default_rng(5), count)
    energy, forces = label(positions)
    columns = {"forces": forces, **({"energy": energy} if energies else {})}
    if errors is not None:
        columns["forces_error"] = errors * np.ones_like(forces)
    inputs = Batch.from_samples([atoms_sample(NUMBERS, one) for one in positions])
    return Dataset(inputs, Batch.stack(**columns))


def test_forces_alone_are_enough_and_set_the_mean_energy_to_zero():
    model = GradientDomain(length_scale=1.5)
    data = dataset(40, energies=False)
    result = model.fit(data, FitRequest())
    assert not [name for name in result.metrics if "energy" in name]
    model.load(result.state)
    said = model.predict(data.inputs).mean
    energy, forces = label(np.asarray(data.inputs["positions"]))
    assert np.abs(said["forces"] - forces).mean() < 0.05 * np.abs(forces).mean()
    assert abs(said["energy"].mean()) < 0.05 * energy.std()
    assert said["energy"] - said["energy"].mean() == pytest.approx(
        energy - energy.mean(), abs=0.1 * energy.std()
    )


def test_the_model_takes_errors_of_forces():
    positions = Batch.from_samples(
        [atoms_sample(NUMBERS, geometries(np.random.default_rng(6), 1)[0])]
    )
    said = []
    for errors in (None, 1e-3, 2.0):
        model = GradientDomain(length_scale=1.5)
        model.load(model.fit(dataset(30, energies=False, errors=errors), FitRequest()).state)
        said.append(np.asarray(model.predict(positions).mean["forces"]))
    assert said[1] == pytest.approx(said[0], abs=0.05 * np.abs(said[0]).max())
    assert np.abs(said[2] - said[0]).max() > 10 * np.abs(said[1] - said[0]).max()


def test_errors_of_another_shape_are_refused():
    positions = geometries(np.random.default_rng(7), 5)
    with pytest.raises(ValueError, match="wanted errors of shape"):
        TrainingSet.of(NUMBERS, positions, None, label(positions)[1], errors=np.ones((5, 3)))
