import numpy as np
import pytest
from toy_molecule import NUMBERS, geometries, rotation

from querist.models.gradient_domain.descriptor import (
    describe,
    internal_basis,
    jacobian,
    permute_pairs,
    pull_back,
)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_values_are_inverse_distances():
    triangle = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    assert describe(triangle).values == pytest.approx([0.5, 0.25, 1 / np.sqrt(20)])


def test_the_jacobian_is_the_derivative(rng):
    positions, step = geometries(rng, 1)[0], 1e-5
    full = jacobian(describe(positions).gradients, len(NUMBERS))
    for column, move in enumerate(step * np.eye(15).reshape(15, 5, 3)):
        numerical = describe(positions + move).values - describe(positions - move).values
        assert full[:, column] == pytest.approx(numerical / (2 * step), abs=1e-8)


def test_pulling_back_is_the_transposed_jacobian(rng):
    described = describe(geometries(rng, 3))
    covector = rng.normal(size=(3, 10))
    full = jacobian(described.gradients, 5)
    expected = np.einsum("tpc,tp->tc", full, covector).reshape(3, 5, 3)
    assert pull_back(covector, described.gradients, 5) == pytest.approx(expected)


def test_motion_of_the_whole_changes_nothing(rng):
    positions = geometries(rng, 1)[0]
    moved = positions @ rotation(rng).T + rng.normal(size=3)
    assert describe(moved).values == pytest.approx(describe(positions).values)


def test_the_internal_basis_holds_all_that_changes_the_descriptor(rng):
    full = jacobian(describe(geometries(rng, 4)).gradients, 5)
    bases = internal_basis(full)
    assert bases.shape == (4, 15, 9)
    assert np.swapaxes(bases, 1, 2) @ bases == pytest.approx(np.tile(np.eye(9), (4, 1, 1)))
    assert full @ bases @ np.swapaxes(bases, 1, 2) == pytest.approx(full)


@pytest.mark.parametrize(("atoms", "dimension"), [(2, 1), (3, 3), (4, 6)])
def test_the_internal_dimension_of_small_molecules(rng, atoms, dimension):
    full = jacobian(describe(rng.normal(size=(2, atoms, 3))).gradients, atoms)
    bases = internal_basis(full)
    assert bases.shape[2] == dimension
    assert full @ bases @ np.swapaxes(bases, 1, 2) == pytest.approx(full)


def test_permuting_pairs_is_permuting_atoms(rng):
    positions = geometries(rng, 1)[0]
    permutation = np.array([[2, 0, 1, 4, 3]])
    indices = permute_pairs(permutation)[0]
    permuted = describe(positions[permutation[0]]).values
    assert permuted == pytest.approx(describe(positions).values[indices])


def test_coinciding_atoms_are_not_finite_and_harm_no_other(rng):
    positions = geometries(rng, 2)
    clean = describe(positions[1]).values
    positions[0, 1] = positions[0, 0]
    values = describe(positions).values
    assert not np.all(np.isfinite(values[0]))
    assert np.array_equal(values[1], clean)
