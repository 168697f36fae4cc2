"""A smooth molecule of known energy, cheap enough to label by the thousand."""

from __future__ import annotations

import numpy as np

from querist.models.gradient_domain import CommitteeSettings, FitSettings, TrainingSet

NUMBERS = np.array([8, 6, 1, 1, 1])
SWAPS = np.array([[0, 1, 3, 2, 4], [0, 1, 2, 4, 3]])
SHAPE = np.array(
    [[0.0, 0.0, 1.4], [0.0, 0.0, 0.0], [1.0, 0.0, -0.4], [-0.5, 0.87, -0.4], [-0.5, -0.87, -0.4]]
)
FIRST, SECOND = np.triu_indices(len(NUMBERS), 1)
_LENGTHS = 0.5 + 0.06 * (NUMBERS[FIRST] + NUMBERS[SECOND])


def label(positions):
    """Energies (T,) and forces (T, n, 3) of a sum of Morse curves, minus 300 eV."""
    difference = positions[:, FIRST] - positions[:, SECOND]
    distance = np.linalg.norm(difference, axis=-1)
    decay = np.exp(-1.5 * (distance - _LENGTHS))
    energies = 2.0 * ((1.0 - decay) ** 2).sum(axis=1) - 300.0
    slope = 2.0 * 2.0 * (1.0 - decay) * 1.5 * decay
    pair = -(slope / distance)[..., None] * difference
    forces = np.zeros_like(positions)
    np.add.at(forces, (slice(None), FIRST), pair)
    np.add.at(forces, (slice(None), SECOND), -pair)
    return energies, forces


def geometries(rng, count, width=0.08):
    return SHAPE + width * rng.normal(size=(count, *SHAPE.shape))


def training_set(rng, count=40, permutations=None, width=0.08):
    positions = geometries(rng, count, width)
    return TrainingSet.of(NUMBERS, positions, *label(positions), permutations)


def settings(**fit):
    return CommitteeSettings(length_scale=1.5, fit=FitSettings(**fit))


def rotation(rng):
    """A random proper rotation (3, 3)."""
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return matrix * np.linalg.det(matrix)


def numerical_forces(energies, positions, step=2e-3):
    """Minus the gradient of ``energies((B, n, 3)) -> (M, B)``, by a fourth-order formula."""
    moves = np.eye(positions[0].size).reshape(-1, *positions.shape[1:])

    def moved(factor):
        shifted = positions[None] + factor * step * moves[:, None]
        flat = energies(shifted.reshape(-1, *positions.shape[1:]))
        return flat.reshape(flat.shape[0], len(moves), len(positions))

    slope = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * step)
    return -np.moveaxis(slope, 1, 2).reshape(len(slope), *positions.shape)
