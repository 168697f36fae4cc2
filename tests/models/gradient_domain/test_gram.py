"""The kernel matrix against numerical derivatives of the symmetrised kernel of energies."""

import numpy as np
import pytest
from toy_molecule import SWAPS, geometries

from querist.models.gradient_domain import close_group
from querist.models.gradient_domain.descriptor import describe, permute_pairs
from querist.models.gradient_domain.gram import energy_gram, force_gram, training_points
from querist.models.gradient_domain.kernel import KERNELS

GROUP = close_group(SWAPS[:1])
LENGTH = 1.3
STEP = 1e-3
MOVES = STEP * np.eye(15).reshape(15, 5, 3)


def covariance(name, left, right):
    ours, theirs = describe(left).values, describe(right).values
    images = theirs[permute_pairs(GROUP)]
    squared = ((ours - images) ** 2).sum(axis=-1)
    return KERNELS[name](squared, np.asarray(LENGTH)).drop.sum() + len(GROUP)


@pytest.fixture
def pair():
    return geometries(np.random.default_rng(2), 2, width=0.15)


@pytest.mark.parametrize("name", KERNELS)
def test_covariances_of_forces(name, pair):
    points = training_points(pair, GROUP)
    gram = force_gram(points, KERNELS[name], LENGTH)
    width = points.width
    block = points.bases[1] @ gram[width:, :width] @ points.bases[0].T
    numerical = np.empty((15, 15))
    for i, a in enumerate(MOVES):
        for j, b in enumerate(MOVES):
            numerical[i, j] = (
                covariance(name, pair[1] + a, pair[0] + b)
                - covariance(name, pair[1] + a, pair[0] - b)
                - covariance(name, pair[1] - a, pair[0] + b)
                + covariance(name, pair[1] - a, pair[0] - b)
            ) / (4 * STEP**2)
    assert block == pytest.approx(numerical, abs=1e-4 * np.abs(numerical).max())


@pytest.mark.parametrize("name", KERNELS)
def test_covariances_of_energies(name, pair):
    points = training_points(pair, GROUP)
    with_forces, among = energy_gram(points, KERNELS[name], LENGTH)
    assert among[1, 0] == pytest.approx(covariance(name, pair[1], pair[0]))
    slope = [
        covariance(name, pair[1], pair[0] + b) - covariance(name, pair[1], pair[0] - b)
        for b in MOVES
    ]
    numerical = -np.array(slope) / (2 * STEP)
    ours = points.bases[0] @ with_forces[1, : points.width]
    assert ours == pytest.approx(numerical, abs=1e-4 * np.abs(numerical).max())


def test_the_whole_matrix_is_positive_semidefinite():
    points = training_points(geometries(np.random.default_rng(3), 6), GROUP)
    lower = force_gram(points, KERNELS["matern52"], LENGTH)
    forces = np.tril(lower) + np.tril(lower, -1).T
    with_forces, among = energy_gram(points, KERNELS["matern52"], LENGTH)
    whole = np.block([[forces, with_forces.T], [with_forces, among]])
    values = np.linalg.eigvalsh(whole)
    assert values.min() > -1e-10 * values.max()
    for block in (slice(0, 9), slice(9, 18)):  # diagonal blocks are complete
        assert lower[block, block] == pytest.approx(lower[block, block].T)
