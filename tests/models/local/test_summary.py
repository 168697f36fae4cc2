"""A structure in a few numbers: what must not change them, and what must."""

from __future__ import annotations

import numpy as np

from querist.core.atoms import atoms_sample
from querist.core.batch import Batch, Sample
from querist.models.local.summary import summarise


def molecule(positions, numbers=(8, 1, 1, 6), **more) -> Sample:
    return atoms_sample(numbers, positions, **more)


def described(*samples: Sample) -> np.ndarray:
    return summarise(Batch.from_samples(list(samples)))


def test_rotation_translation_and_exchange_change_nothing() -> None:
    rng = np.random.default_rng(0)
    x, numbers = 1.5 * rng.normal(size=(4, 3)), np.array([8, 1, 1, 6])
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(4)
    one, other = described(molecule(x), molecule((x @ turn + 2.0)[order], numbers[order]))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_distances_elements_and_charges_change_it() -> None:
    x = np.array([[0.0, 0, 0], [1.2, 0, 0], [0, 1.3, 0], [0, 0, 1.6]])
    others = [molecule(1.1 * x), molecule(x, (8, 1, 1, 7)), molecule(x, charge=1)]
    first = described(molecule(x))[0]
    assert all(not np.allclose(first, described(other)[0]) for other in others)


def test_sizes_may_differ_and_single_atoms_and_cells_are_described() -> None:
    lone = atoms_sample([29], np.zeros((1, 3)))
    assert np.isfinite(described(lone, molecule(np.eye(4, 3) * 2))).all()
    cell = atoms_sample([29], np.zeros((1, 3)), 2.5 * np.eye(3))
    assert described(cell)[0, 0] > 0
