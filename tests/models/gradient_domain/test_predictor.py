import numpy as np
import pytest
from toy_molecule import (
    NUMBERS,
    SHAPE,
    SWAPS,
    geometries,
    label,
    numerical_forces,
    rotation,
    settings,
    training_set,
)

from querist.models.gradient_domain import (
    Predictor,
    UnrepresentableError,
    close_group,
    fit_committee,
    force_disagreement,
)
from querist.models.gradient_domain.kernel import KERNELS


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def predictor():
    data = training_set(np.random.default_rng(6), 30, close_group(SWAPS))
    return fit_committee(data, settings()).predictor()


@pytest.mark.parametrize("energy_weight", [0.0, 10.0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_forces_are_minus_the_gradient_of_the_energy(rng, kernel, energy_weight):
    fitted = fit_committee(
        training_set(rng, 20, close_group(SWAPS[:1])),
        settings(kernel=kernel, energy_weight=energy_weight),
    ).predictor()
    positions = geometries(rng, 2)
    forces = fitted.predict(positions).forces
    numerical = numerical_forces(lambda batch: fitted.predict(batch).energies, positions)
    assert np.abs(numerical - forces).max() < 1e-6 * np.abs(forces).max()


def test_energy_is_conserved(predictor):
    """Velocity Verlet: the error of the energy falls with the square of the step."""
    masses = np.array([16.0, 12.0, 1.0, 1.0, 1.0])[:, None]

    def spread(step, count):
        positions = SHAPE.copy()
        momenta = np.random.default_rng(0).normal(size=SHAPE.shape) * np.sqrt(0.02 * masses)
        totals = []
        energy, forces = (value[0] for value in predictor.predict(positions[None]).mean())
        for _ in range(count):
            momenta = momenta + 0.5 * step * forces
            positions = positions + step * momenta / masses
            energy, forces = (value[0] for value in predictor.predict(positions[None]).mean())
            momenta = momenta + 0.5 * step * forces
            totals.append(energy + 0.5 * (momenta**2 / masses).sum())
        return np.std(totals)

    coarse, fine = spread(0.01, 400), spread(0.005, 800)
    assert coarse < 2e-3
    assert fine < 0.35 * coarse


def test_translation_and_rotation(predictor, rng):
    positions, turn = geometries(rng, 4), rotation(rng)
    here = predictor.predict(positions)
    there = predictor.predict(positions @ turn.T + rng.normal(size=3))
    assert there.energies == pytest.approx(here.energies, abs=1e-7)
    assert there.forces == pytest.approx(here.forces @ turn.T, abs=1e-6)


def test_no_net_force_and_no_net_torque(predictor, rng):
    positions = geometries(rng, 4)
    forces = predictor.predict(positions).forces
    assert forces.sum(axis=2) == pytest.approx(0.0, abs=1e-9)
    assert np.cross(positions, forces).sum(axis=2) == pytest.approx(0.0, abs=1e-9)


def test_every_permutation_of_the_group(predictor, rng):
    positions = geometries(rng, 4)
    here = predictor.predict(positions)
    for permutation in close_group(SWAPS):
        there = predictor.predict(positions[:, permutation])
        assert there.energies == pytest.approx(here.energies, abs=1e-7)
        assert there.forces == pytest.approx(here.forces[:, :, permutation], abs=1e-6)


def test_a_permutation_outside_the_group_is_no_symmetry(rng):
    data = training_set(rng, 20)
    fitted = fit_committee(data, settings()).predictor()
    positions = geometries(rng, 4)
    swapped = fitted.predict(positions[:, SWAPS[0]]).energies
    assert np.abs(swapped - fitted.predict(positions).energies).max() > 1e-3


def test_a_batch_is_its_geometries_one_by_one(predictor, rng):
    positions = geometries(rng, 7)
    batch = predictor.predict(positions)
    for index in range(7):
        single = predictor.predict(positions[index : index + 1])
        assert single.energies[:, 0] == pytest.approx(batch.energies[:, index], abs=1e-8)
        assert single.forces[:, 0] == pytest.approx(batch.forces[:, index], abs=1e-7)


def test_blocks_join_to_one_batch(predictor, rng, monkeypatch):
    positions = geometries(rng, 11)
    whole = predictor.predict(positions)
    monkeypatch.setattr("querist.models.gradient_domain.predictor._BLOCK", 2000)
    parts = predictor.predict(positions)
    assert parts.energies == pytest.approx(whole.energies, abs=1e-8)
    assert parts.forces == pytest.approx(whole.forces, abs=1e-7)


def test_shapes_of_a_batch_and_of_an_empty_one(predictor, rng):
    some = predictor.predict(geometries(rng, 3))
    assert (some.energies.shape, some.forces.shape) == ((4, 3), (4, 3, 5, 3))
    energies, forces = some.mean()
    assert (energies.shape, forces.shape) == ((3,), (3, 5, 3))
    assert some.disagreement().shape == (3,)
    none = predictor.predict(np.zeros((0, 5, 3)))
    assert (none.energies.shape, none.forces.shape) == ((4, 0), (4, 0, 5, 3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_an_exploded_geometry_harms_no_other(predictor, rng, bad):
    positions = geometries(rng, 3)
    clean = predictor.predict(positions)
    positions[1, 2] = bad
    broken = predictor.predict(positions)
    for index in (0, 2):
        assert broken.forces[:, index] == pytest.approx(clean.forces[:, index], abs=1e-7)
    if not np.isfinite(bad):
        assert not np.isfinite(broken.disagreement()[1])


def test_coinciding_atoms_have_no_finite_disagreement(predictor, rng):
    positions = geometries(rng, 2)
    positions[0, 3] = positions[0, 2]
    disagreement = predictor.predict(positions).disagreement()
    assert np.isfinite(disagreement).tolist() == [False, True]


def test_members_of_different_size_and_length_scale_stay_themselves(rng):
    first = fit_committee(training_set(rng, 10), settings())
    second = fit_committee(training_set(rng, 25), settings())
    arrays = {name: array for name, array in first.arrays.items() if name.startswith("m0.")}
    arrays |= {name: array for name, array in second.arrays.items() if name.startswith("m1.")}
    arrays["m1.length_scale"] = np.array([1.1])
    alone = {
        name.replace("m1.", "m0."): array for name, array in arrays.items() if name[:3] == "m1."
    }
    positions = geometries(rng, 3)
    both = Predictor.from_state(arrays, first.metadata).predict(positions)
    large = Predictor.from_state(alone, first.metadata).predict(positions)
    small = first.predictor().predict(positions)
    assert both.forces[0] == pytest.approx(small.forces[0], abs=1e-7)
    assert both.forces[1] == pytest.approx(large.forces[0], rel=1e-4, abs=1e-4)


def test_disagreement_is_the_largest_over_atoms():
    forces = np.zeros((2, 1, 3, 3))
    forces[:, 0, 1] = [[1.0, 0.0, 2.0], [-1.0, 0.0, -2.0]]
    forces[:, 0, 2] = [[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert force_disagreement(forces) == pytest.approx([np.sqrt(2.0 + 8.0)])


def test_one_member_cannot_disagree():
    with pytest.raises(ValueError, match="at least 2 members"):
        force_disagreement(np.zeros((1, 1, 3, 3)))


@pytest.mark.parametrize(
    ("numbers", "pbc", "message"),
    [
        (NUMBERS, True, "periodic"),
        (NUMBERS, [False, False, True], "periodic"),
        (NUMBERS[:-1], False, "wanted the atoms"),
        (NUMBERS[::-1], False, "in that order"),
    ],
)
def test_what_it_cannot_represent_is_refused(predictor, numbers, pbc, message):
    with pytest.raises(UnrepresentableError, match=message):
        predictor.check(numbers, pbc)
    predictor.check(NUMBERS, [False, False, False])


def test_another_number_of_atoms_is_refused(predictor):
    with pytest.raises(UnrepresentableError, match=r"\(B, 5, 3\)"):
        predictor.predict(np.zeros((1, 4, 3)))


def test_disagreement_grows_away_from_the_training_set(predictor, rng):
    near, far = geometries(rng, 40, width=0.05), geometries(rng, 40, width=0.3)
    both = np.concatenate([near, far])
    predicted = predictor.predict(both)
    error = np.linalg.norm(predicted.mean()[1] - label(both)[1], axis=-1).max(axis=-1)
    ranks = [np.argsort(np.argsort(values)) for values in (error, predicted.disagreement())]
    assert np.corrcoef(ranks)[0, 1] > 0.5
