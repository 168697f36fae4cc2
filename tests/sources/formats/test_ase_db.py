"""Databases of ASE: against ASE itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import read, write

ase = pytest.importorskip("ase")
db = pytest.importorskip("ase.db")
singlepoint = pytest.importorskip("ase.calculators.singlepoint")

pytestmark = pytest.mark.atoms


def test_what_was_written_comes_back_exactly(tmp_path: Path, molecules, crystals, same) -> None:
    for dataset in (molecules, crystals):
        write(tmp_path / "a.db", dataset)
        same(read(tmp_path / "a.db"), dataset)


def test_ase_reads_what_we_write(tmp_path: Path, molecules) -> None:
    write(tmp_path / "a.db", molecules)
    with db.connect(tmp_path / "a.db") as connection:
        rows = list(connection.select())
        found = [row.id for row in connection.select("level=GFN2-xTB,purpose=holdout")]
    assert found == [2]
    assert [row.energy for row in rows] == molecules.outputs["energy"].tolist()
    for row, forces in zip(rows, molecules.outputs.columns["forces"].items(), strict=True):
        np.testing.assert_array_equal(row.forces, forces)


def test_we_read_what_ase_writes(tmp_path: Path, rng) -> None:
    with db.connect(tmp_path / "a.db") as connection:
        for count in (1, 2, 3):
            atoms = ase.Atoms("C" * count, rng.normal(size=(count, 3)), cell=[3, 3, 3], pbc=True)
            atoms.calc = singlepoint.SinglePointCalculator(
                atoms, energy=count, forces=np.ones((count, 3)), stress=np.arange(6.0)
            )
            pairs = {"level": "PBE" if count < 3 else "PBE0", "gap": 0.1 * count}
            connection.write(atoms, key_value_pairs=pairs, data={"charge": count - 1})
    found = read(tmp_path / "a.db")
    assert found.levels == ("PBE", "PBE", "PBE0")
    assert found.outputs["energy"].tolist() == [1, 2, 3]
    assert found.outputs["stress"][0].tolist() == [[0, 5, 4], [5, 1, 3], [4, 3, 2]]
    assert found.inputs["charge"].tolist() == [0, 1, 2]
    assert len(read(tmp_path / "a.db", select="level=PBE")) == 2
    gaps = read(tmp_path / "a.db", outputs={"bandgap": "gap"})
    np.testing.assert_allclose(gaps.outputs["bandgap"], [0.1, 0.2, 0.3])


def test_other_labels_come_back(tmp_path: Path, molecules) -> None:
    dipoles = np.arange(15.0).reshape(5, 3)
    outputs = Batch.stack(dipole=dipoles, polar=dipoles * 2)
    write(tmp_path / "a.db", Dataset(molecules.inputs, outputs))
    found = read(tmp_path / "a.db", outputs=["dipole", "polar"])
    np.testing.assert_array_equal(found.outputs["dipole"], dipoles)
    np.testing.assert_array_equal(found.outputs["polar"], dipoles * 2)


def test_writing_replaces(tmp_path: Path, molecules, charged) -> None:
    write(tmp_path / "a.db", molecules)
    write(tmp_path / "a.db", charged)
    assert len(read(tmp_path / "a.db")) == 3


def test_an_empty_selection_is_refused(tmp_path: Path, molecules) -> None:
    write(tmp_path / "a.db", molecules)
    with pytest.raises(ConfigError, match="holds no structure"):
        read(tmp_path / "a.db", select="natoms>100")
