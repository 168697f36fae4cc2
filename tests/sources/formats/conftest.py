"""Datasets that the format tests share."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch


def symmetric(rng: np.random.Generator) -> np.ndarray:
    matrix = rng.normal(size=(3, 3)) * 0.01
    return (matrix + matrix.T) / 2


def molecule(rng: np.random.Generator, atoms: int, **extra) -> dict:
    numbers = rng.choice([1, 6, 8], atoms)
    return dict(atoms_sample(numbers, rng.normal(size=(atoms, 3)), **extra).arrays)


def crystal(rng: np.random.Generator, atoms: int) -> dict:
    cell = np.eye(3) * 4 + rng.normal(size=(3, 3)) * 0.3
    return dict(atoms_sample([14] * atoms, rng.normal(size=(atoms, 3)), cell).arrays)


def label(rng: np.random.Generator, atoms: int) -> dict:
    return {"energy": rng.normal() * 1e4, "forces": rng.normal(size=(atoms, 3))}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def molecules(rng) -> Dataset:
    """Five molecules of different size, with purposes and levels."""
    sizes = [3, 5, 3, 1, 2]
    return Dataset(
        Batch.of([molecule(rng, n) for n in sizes]),
        Batch.of([label(rng, n) for n in sizes]),
        ("train", "holdout", "train", "calibration", "audit"),
        ("GFN2-xTB", "GFN2-xTB", "", "1.50", 'PBE "tight" grid'),
    )


@pytest.fixture
def charged(rng) -> Dataset:
    """Three ions and radicals of one size."""
    charges, multiplicities = [0, -1, 2], [1, 1, 3]
    pairs = zip(charges, multiplicities, strict=True)
    rows = [molecule(rng, 4, charge=c, multiplicity=m) for c, m in pairs]
    return Dataset(Batch.of(rows), Batch.of([label(rng, 4) for _ in rows]))


@pytest.fixture
def crystals(rng) -> Dataset:
    """Four crystals of two sizes, with stress."""
    sizes = [2, 2, 3, 2]
    labels = [{**label(rng, n), "stress": symmetric(rng)} for n in sizes]
    return Dataset(Batch.of([crystal(rng, n) for n in sizes]), Batch.of(labels))


def assert_same(found: Dataset, wanted: Dataset, rtol: float = 0.0) -> None:
    """The same samples (by id), labels, purposes and levels, in the same order."""
    assert found.inputs.ids == wanted.inputs.ids
    assert set(found.outputs.columns) == set(wanted.outputs.columns)
    for name, column in wanted.outputs.columns.items():
        other = found.outputs.columns[name]
        assert len(other) == len(column)
        for got, want in zip(other.items(), column.items(), strict=True):
            assert got.shape == want.shape
            if want.dtype.kind == "U":
                assert (got == want).all()
            else:
                assert got.dtype == want.dtype
                np.testing.assert_allclose(got, want, rtol=rtol, atol=0)
    assert found.purposes == wanted.purposes
    assert found.levels == wanted.levels


@pytest.fixture
def same():
    return assert_same
