"""Filters for geometries that make no sense."""

from __future__ import annotations

import numpy as np
import pytest

from querist.control.filters import COVALENT_RADII, Finite, MaxDistance, MinDistance, Within
from querist.core.atoms import SYMBOLS
from querist.core.batch import Batch


def pair(a: int, b: int, distance: float) -> dict[str, object]:
    return {"numbers": [a, b], "positions": [[0.0, 0.0, 0.0], [0.0, 0.0, distance]]}


def test_atoms_too_close_by_the_sum_of_their_radii() -> None:
    # H-H: 0.6 * 0.62 = 0.372 Angstrom; C-C: 0.6 * 1.52 = 0.912 Angstrom.
    rows = [pair(1, 1, 0.38), pair(1, 1, 0.36), pair(6, 6, 0.92), pair(6, 6, 0.9)]
    assert MinDistance()(Batch.of(rows)).tolist() == [True, False, True, False]
    assert MinDistance(0.5)(Batch.of(rows)).tolist() == [True] * 4


def test_elements_without_a_radius_count_as_large() -> None:
    rows = [pair(79, 79, 1.7), pair(79, 79, 1.6)]
    assert MinDistance()(Batch.of(rows)).tolist() == [True, False]
    assert len(COVALENT_RADII) == SYMBOLS.index("Xe") + 1


@pytest.mark.atoms
def test_radii_are_those_that_were_published() -> None:
    from ase.data import covalent_radii

    assert np.abs(COVALENT_RADII[1:] - covalent_radii[1 : len(COVALENT_RADII)]).max() < 1e-9


def test_molecules_of_different_size_and_single_atoms() -> None:
    far = {"numbers": [1, 1, 1], "positions": [[0, 0, 0], [0, 0, 0.7], [0, 0, 9.0]]}
    one = {"numbers": [1], "positions": [[0.0, 0.0, 0.0]]}
    batch = Batch.of([pair(1, 1, 0.7), far, one])
    assert MaxDistance(3.0)(batch).tolist() == [True, False, True]
    assert MaxDistance(9.0)(batch).tolist() == [True, True, True]
    assert MinDistance()(batch).tolist() == [True, True, True]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_in_any_field(bad) -> None:
    batch = Batch.of(
        [
            {"x": [1.0], "n": 1, "z": [1j]},
            {"x": [1.0, bad], "n": 2, "z": [1j]},
            {"x": [], "n": 3, "z": [complex(0, bad)]},
        ]
    )
    assert Finite()(batch).tolist() == [True, False, False]


def test_fields_that_are_no_numbers_are_finite() -> None:
    batch = Batch.stack(name=np.array(["a", "b"]), x=np.array([1.0, np.nan]))
    assert Finite()(batch).tolist() == [True, False]


def test_a_field_within_bounds() -> None:
    batch = Batch.of([{"x": [0.0, 1.0]}, {"x": [1.1]}, {"x": [-0.1, 0.5]}, {"x": []}])
    assert Within("x", 0.0, 1.0)(batch).tolist() == [True, False, False, True]
    assert Within("x", 0.0, 1.0)(Batch.stack(x=[np.nan])).tolist() == [False]
