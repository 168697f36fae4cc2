"""Strained cells: what is strained, what stays, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.atoms import atoms_sample
from querist.core.batch import Sample
from querist.core.errors import ConfigError, ShapeError
from querist.generators.strained_cells import StrainedCells

CELL = np.array([[2.0, 0, 0], [1.0, 1.8, 0], [0, 0, 9.0]])


def start(pbc=(True, True, True), atoms: int = 2) -> Sample:
    positions = np.arange(3.0 * atoms).reshape(atoms, 3) / 3
    return atoms_sample([29] * atoms, positions, CELL, list(pbc))


def strains(generator: StrainedCells, count: int = 50) -> np.ndarray:
    cells = np.asarray(generator.initial(count)["cell"])
    return np.linalg.inv(CELL) @ cells - np.eye(3)


def test_strains_are_symmetric_differ_and_keep_their_limits() -> None:
    found = strains(StrainedCells([start()], strain=0.02, volume=0.03, seed=1))
    np.testing.assert_allclose(found, np.swapaxes(found, 1, 2), atol=1e-12)
    assert np.abs(found[:, 0, 1]).max() < 0.02
    assert 0.02 < np.abs(found[:, 0, 0]).max() < 0.05
    assert len(np.unique(found[:, 0, 1])) == 50


def test_a_surface_is_strained_in_its_plane_alone() -> None:
    found = strains(StrainedCells([start((True, True, False))], seed=1))
    np.testing.assert_allclose(found[:, 2], 0, atol=1e-12)
    np.testing.assert_allclose(found[:, :, 2], 0, atol=1e-12)
    assert np.abs(found[:, 0, 0]).max() > 0.01


def test_atoms_move_with_their_cell_and_are_then_displaced() -> None:
    still = StrainedCells([start()], displacement=0.0, seed=2).initial(1)
    scaled = np.asarray(still["positions"][0]) @ np.linalg.inv(np.asarray(still["cell"][0]))
    np.testing.assert_allclose(scaled, start()["positions"] @ np.linalg.inv(CELL), atol=1e-12)
    loose = StrainedCells([start()], strain=0.0, volume=0.0, displacement=0.2, seed=2)
    moves = np.asarray(loose.initial(300)["positions"]) - start()["positions"]
    assert np.sqrt((moves**2).mean()) == pytest.approx(0.2 / np.sqrt(3), rel=0.1)


def test_starts_of_any_size_take_turns() -> None:
    batch = StrainedCells([start(), start(atoms=5)], walkers=3, seed=3).propose().batch
    assert [len(item) for item in batch.columns["positions"].items()] == [2, 5, 2]


def test_what_has_no_cell_or_no_sense_is_refused() -> None:
    with pytest.raises(ShapeError, match="cell"):
        StrainedCells([atoms_sample([29], np.zeros((1, 3)))])
    with pytest.raises(ConfigError, match="walkers >= 1"):
        StrainedCells([start()], walkers=0)
    with pytest.raises(ConfigError, match=r"below 0\.3"):
        StrainedCells([start()], strain=0.5)
