"""What a generator may start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.atoms import atoms_sample
from querist.core.batch import Batch, Sample
from querist.core.errors import ConfigError, ShapeError
from querist.core.events import pack_batch
from querist.generators.starts import load_batch, read_xyz

POINTS = np.arange(6.0).reshape(3, 2)


def points() -> np.ndarray:
    return POINTS


def test_arrays_mappings_samples_and_batches(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POINTS)
    np.savez(tmp_path / "a.npz", x=POINTS)
    samples = [Sample.of({"x": row}) for row in POINTS]
    forms = [
        POINTS,
        {"x": POINTS},
        samples,
        [{"x": row} for row in POINTS],
        Batch.stack(x=POINTS),
        tmp_path / "a.npy",
        str(tmp_path / "a.npz"),
        f"{__name__}:points",
    ]
    expected = Batch.stack(x=POINTS).ids
    for form in forms:
        assert load_batch(form).ids == expected
    assert load_batch(samples[0]).ids == expected[:1]


@pytest.mark.parametrize("prefix", ["", "in/"])
def test_a_packed_npz_may_be_ragged(tmp_path: Path, prefix: str) -> None:
    batch = Batch.of([{"x": np.ones((n, 3))} for n in (2, 5)])
    np.savez(tmp_path / "a.npz", **pack_batch(batch, prefix), **{"out/y": np.zeros(2)})
    assert load_batch(tmp_path / "a.npz").ids == batch.ids


def test_missing_and_unknown_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*none\.npz"):
        load_batch(tmp_path / "none.npz")
    (tmp_path / "a.csv").write_text("1")
    with pytest.raises(ConfigError, match=r"a\.csv: samples can be read from"):
        load_batch(tmp_path / "a.csv")


PLAIN = """3
a water molecule
O 0.0 0.0 0.1
H 0.0 0.76 -0.47
1 0.0 -0.76 -0.47
"""
EXTENDED = """2
Lattice="4 0 0 0 4 0 0 0 4" Properties=id:I:1:species:S:1:forces:R:3:pos:R:3 pbc="T T F" \
charge=-1 multiplicity=2 energy=3.5
7 Na 9 9 9 0.1 0.2 0.3
8 Cl 9 9 9 2.0 0.0 1e-3
"""


def test_plain_and_extended_xyz(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(PLAIN + PLAIN)
    first, second = read_xyz(tmp_path / "a.xyz")
    assert first.id == second.id
    assert first["numbers"].tolist() == [8, 1, 1]
    assert first["positions"][1].tolist() == [0.0, 0.76, -0.47]
    (tmp_path / "b.extxyz").write_text(EXTENDED)
    (salt,) = load_batch(tmp_path / "b.extxyz").samples()
    positions = [[0.1, 0.2, 0.3], [2.0, 0.0, 1e-3]]
    extra = {"charge": -1, "multiplicity": 2}
    assert salt == atoms_sample([11, 17], positions, np.eye(3) * 4, [True, True, False], **extra)


MIXED = """2
Properties=species:S:1:pos:R:3 total_charge=-1 spin=1
O 0 0 0
H 0 0 1
1
Properties=species:S:1:pos:R:3:initial_charges:R:1
Na 0 0 0 1.0
2
Lattice="3 0 0 0 3 0 0 0 3"
H 0 0 0
H 0 0 1
1
Lattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 pbc="F F F"
H 0 0 0
"""


def test_molecules_ions_and_crystals_start_together(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(MIXED)
    samples = list(read_xyz(tmp_path / "a.xyz"))
    assert "cell" not in samples[3].arrays  # nothing is periodic there
    for form in (tmp_path / "a.xyz", samples):
        batch = load_batch(form)
        assert batch["charge"].tolist() == [-1, 1, 0, 0]
        assert batch["multiplicity"].tolist() == [1, 1, 1, 1]
        assert batch["pbc"].any(axis=1).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1\n\nH 0 nan 0\n", "not finite"),
        ('1\npbc="T T T"\nH 0 0 0\n', "need a 'cell'"),
        ("3\n\nH 0 0 0\n", "frame at line 1: 3 atoms were announced"),
        ("1\n\nQq 0 0 0\n", "'Qq' is no element"),
        ("1\n\nH 0 0 0\n1\n\nH a b c\n", "frame at line 4"),
        ("one\n", "frame at line 1"),
    ],
)
def test_what_is_wrong_with_an_xyz_file_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.xyz").write_text(text)
    with pytest.raises(ShapeError, match=words):
        load_batch(tmp_path / "a.xyz")


@pytest.mark.atoms
def test_it_reads_what_ase_writes(tmp_path: Path) -> None:
    build, io = pytest.importorskip("ase.build"), pytest.importorskip("ase.io")
    crystal = build.bulk("NaCl", "rocksalt", 5.6)
    io.write(tmp_path / "a.extxyz", crystal)
    (sample,) = read_xyz(tmp_path / "a.extxyz")
    np.testing.assert_allclose(sample["positions"], crystal.positions, atol=1e-7)
    np.testing.assert_allclose(sample["cell"], crystal.cell.array)
    assert sample["pbc"].all()
