"""The atoms schema: shapes checked, names known, what a model cannot represent refused."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.atoms import SYMBOLS, atoms_sample, check_atoms, refuse
from querist.core.batch import Batch
from querist.core.errors import ShapeError, UnsupportedSample

WATER = ([8, 1, 1], np.eye(3))


def test_a_molecule_has_the_types_of_the_schema() -> None:
    sample = atoms_sample(*WATER, charge=-1, multiplicity=2)
    assert sample["numbers"].dtype == np.int64
    assert sample["positions"].dtype == np.float64
    assert (sample["charge"].item(), sample["multiplicity"].item()) == (-1.0, 2)
    assert "cell" not in sample.arrays


def test_a_cell_is_periodic_unless_said_otherwise() -> None:
    assert atoms_sample(*WATER, np.eye(3))["pbc"].tolist() == [True] * 3
    assert atoms_sample(*WATER, np.eye(3), [1, 0, 0])["pbc"].tolist() == [True, False, False]
    assert "pbc" not in atoms_sample(*WATER, pbc=[False] * 3).arrays


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: atoms_sample([8, 1], np.eye(3)), r"'positions' .* \(2, 3\), but has \(3, 3\)"),
        (lambda: atoms_sample(8, np.eye(3)), r"'numbers' should have the shape \(3,\)"),
        (lambda: atoms_sample([[8]], np.eye(1, 3)), "'numbers'"),
        (lambda: atoms_sample(*WATER, np.eye(2)), r"'cell' should have the shape \(3, 3\)"),
        (lambda: atoms_sample(*WATER, np.eye(3), [True]), "'pbc'"),
        (lambda: atoms_sample(*WATER, pbc=[True] * 3), "need a 'cell'"),
        (lambda: atoms_sample(*WATER, spin=1), "no input 'spin'"),
        (lambda: atoms_sample(*WATER, charge=[1]), "'charge'"),
        (lambda: check_atoms({"forces": np.zeros((3, 2))}), "'forces'"),
        (lambda: check_atoms({"numbers": [1], "forces": np.zeros((2, 3))}), "'forces'"),
        (lambda: check_atoms({"energy": [1.0]}), "'energy'"),
        (lambda: check_atoms({"stress": np.zeros(6)}), "'stress'"),
    ],
)
def test_a_wrong_shape_is_named(make, says) -> None:
    with pytest.raises(ShapeError, match=says):
        make()


def test_labels_and_unknown_fields_pass() -> None:
    check_atoms({"energy": 1.0, "forces": np.zeros((2, 3)), "stress": np.eye(3), "dipole": [1, 2]})


@pytest.mark.parametrize(
    ("sample", "what"),
    [
        (atoms_sample(*WATER, np.eye(3)), "a periodic cell"),
        (atoms_sample(*WATER, charge=1), "a charge"),
        (atoms_sample(*WATER, multiplicity=3), "an open shell"),
    ],
)
def test_what_cannot_be_represented_is_refused(sample, what) -> None:
    batch = Batch.from_samples([sample])
    with pytest.raises(UnsupportedSample, match=f"kernel cannot represent {what}"):
        refuse(batch, periodic=False, charged=False, who="the kernel")
    refuse(batch, periodic=True, charged=True, who="the kernel")


def test_neutral_closed_molecules_are_welcome() -> None:
    plain = atoms_sample(*WATER, np.eye(3), [False] * 3, charge=0, multiplicity=1)
    refuse(Batch.from_samples([plain]), periodic=False, charged=False, who="it")


def test_symbols_stand_at_their_atomic_number() -> None:
    assert [SYMBOLS[n] for n in (0, 1, 6, 79, 118)] == ["X", "H", "C", "Au", "Og"]
    assert len(SYMBOLS) == 119
