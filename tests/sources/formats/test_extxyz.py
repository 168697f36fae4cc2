"""Extended XYZ: against ASE's own files, other programs' names, and errors."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import read, write

ase = pytest.importorskip("ase")
io = pytest.importorskip("ase.io")
singlepoint = pytest.importorskip("ase.calculators.singlepoint")

pytestmark = pytest.mark.atoms


def with_results(atoms, **results):
    atoms.calc = singlepoint.SinglePointCalculator(atoms, **results)
    return atoms


def test_what_was_written_comes_back_exactly(tmp_path: Path, molecules, crystals, same) -> None:
    for dataset in (molecules, crystals):
        write(tmp_path / "a.xyz", dataset)
        same(read(tmp_path / "a.xyz"), dataset)


@given(st.text(max_size=8))
def test_a_level_stays_the_text_it_is_or_is_refused(level: str) -> None:
    inputs = Batch.stack(numbers=[[1]], positions=np.zeros((1, 1, 3)))
    dataset = Dataset(inputs, Batch.stack(energy=[1.0]), ("train",), (level,))
    with tempfile.TemporaryDirectory() as folder:
        try:
            write(Path(folder) / "a.xyz", dataset)
        except ConfigError as error:
            assert "cannot hold level=" in str(error)  # noqa: PT017
            assert not level.isalnum()
            return
        assert read(Path(folder) / "a.xyz").levels == (level,)


def test_ase_reads_what_we_write(tmp_path: Path, crystals) -> None:
    write(tmp_path / "a.xyz", crystals)
    images = io.read(tmp_path / "a.xyz", index=":")
    assert len(images) == 4
    for index, atoms in enumerate(images):
        row, out = crystals.inputs.arrays(index), crystals.outputs.arrays(index)
        np.testing.assert_array_equal(atoms.positions, row["positions"])
        np.testing.assert_array_equal(atoms.cell[:], row["cell"])
        assert atoms.pbc.all()
        assert atoms.get_potential_energy() == out["energy"]
        np.testing.assert_array_equal(atoms.get_forces(), out["forces"])
        np.testing.assert_array_equal(atoms.get_stress(voigt=False), out["stress"])
        assert atoms.info == {"purpose": "train"}


def test_we_read_what_ase_writes(tmp_path: Path, rng) -> None:
    images = []
    for count in (2, 3):
        atoms = ase.Atoms("H" * count, rng.normal(size=(count, 3)).round(6), cell=[3, 4, 5])
        atoms.pbc = [True, False, True]
        atoms.info.update(charge=1, level="PBE", purpose="holdout")
        forces = rng.normal(size=(count, 3)).round(6)
        voigt = np.arange(6) * 0.01
        images.append(with_results(atoms, energy=-1.5 * count, forces=forces, stress=voigt))
    io.write(tmp_path / "a.xyz", images)
    found = read(tmp_path / "a.xyz")
    assert set(found.inputs.columns) == {"numbers", "positions", "cell", "pbc", "charge"}
    assert found.outputs["energy"].tolist() == [-3.0, -4.5]
    assert found.outputs["stress"][0].tolist() == [
        [0.0, 0.05, 0.04],
        [0.05, 0.01, 0.03],
        [0.04, 0.03, 0.02],
    ]
    for index, atoms in enumerate(images):
        row = found.inputs.arrays(index)
        np.testing.assert_array_equal(row["positions"], atoms.positions)
        np.testing.assert_array_equal(row["cell"], np.diag([3, 4, 5]))
        assert row["pbc"].tolist() == [True, False, True]
        assert row["charge"] == 1.0
        np.testing.assert_array_equal(
            found.outputs.arrays(index)["forces"], atoms.calc.results["forces"]
        )
    assert (found.purposes, found.levels) == (("holdout",) * 2, ("PBE",) * 2)


def test_molecules_in_a_box_carry_no_cell(tmp_path: Path) -> None:
    io.write(tmp_path / "a.xyz", with_results(ase.Atoms("H", cell=[9, 9, 9]), energy=1.0))
    assert set(read(tmp_path / "a.xyz").inputs.columns) == {"numbers", "positions"}


def test_a_molecule_among_crystals_gets_an_empty_cell(tmp_path: Path) -> None:
    crystal = with_results(ase.Atoms("H", cell=[2, 2, 2], pbc=True), energy=1.0)
    molecule = with_results(ase.Atoms("He", info={"charge": 1}), energy=2.0)
    io.write(tmp_path / "a.xyz", [crystal, molecule])
    inputs = read(tmp_path / "a.xyz").inputs
    assert inputs["pbc"].any(axis=1).tolist() == [True, False]
    assert inputs["cell"][1].tolist() == np.zeros((3, 3)).tolist()
    assert inputs["charge"].tolist() == [0, 1]


def test_forces_of_fixed_atoms_are_kept(tmp_path: Path) -> None:
    constraints = pytest.importorskip("ase.constraints")
    atoms = with_results(
        ase.Atoms("HH", [[0, 0, 0], [0, 0, 1]]), energy=1.0, forces=np.ones((2, 3))
    )
    atoms.set_constraint(constraints.FixAtoms([0]))
    io.write(tmp_path / "a.xyz", atoms)
    assert (read(tmp_path / "a.xyz").outputs["forces"] == 1).all()


def save(path: Path, *frames: str) -> Path:
    path.write_text("".join(f"1\n{frame}\nHe 0 0 0\n" for frame in frames))
    return path


def test_names_of_other_programs_are_given_as_options(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xyz", "REF_energy=-1.5 q=2 dipole=2.0")
    found = read(path, inputs={"charge": "q"}, outputs={"energy": "REF_energy", "mu": "dipole"})
    assert found.outputs["energy"].tolist() == [-1.5]
    assert found.outputs["mu"].tolist() == [2.0]
    assert found.inputs["charge"].tolist() == [2.0]


def test_no_label_names_what_there_is_and_the_option(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xyz", "REF_energy=-1.5")
    with pytest.raises(ConfigError, match=r"no label.*REF_energy.*outputs="):
        read(path)
    with pytest.raises(ConfigError, match=r"no 'REF_Energy'.*Did you mean 'REF_energy'"):
        read(path, outputs={"energy": "REF_Energy"})


def test_a_label_that_some_frames_lack_names_the_first(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xyz", "energy=1", 'energy=2 stress="1 0 0 0 1 0 0 0 1"', "energy=3")
    with pytest.raises(ConfigError, match=r"2 of 3 frames have no 'stress', the first is frame 0"):
        read(path)
    assert read(path, outputs=["energy"]).outputs["energy"].tolist() == [1, 2, 3]


def test_a_virial_becomes_a_stress(tmp_path: Path) -> None:
    frame = 'energy=1 Lattice="2 0 0 0 2 0 0 0 2" virial="8 0 0 0 16 0 0 0 24"'
    stress = read(save(tmp_path / "a.xyz", frame)).outputs["stress"][0]
    np.testing.assert_allclose(stress, np.diag([-1.0, -2.0, -3.0]), rtol=1e-15)
    with pytest.raises(ConfigError, match="no volume"):
        read(save(tmp_path / "b.xyz", 'energy=1 virial="8 0 0 0 8 0 0 0 8"'))


@pytest.mark.parametrize("key", ["multiplicity", "spin", "total_spin", "spin_multiplicity"])
def test_a_multiplicity_has_several_names(tmp_path: Path, key: str) -> None:
    path = save(tmp_path / "a.xyz", f"energy=1 {key}=3", "energy=1")
    assert read(path).inputs["multiplicity"].tolist() == [3, 1]


@pytest.mark.parametrize("value", ["0", "1.5", "high"])
def test_a_multiplicity_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"frame 0: spin=.*2S \+ 1"):
        read(save(tmp_path / "a.xyz", f"energy=1 spin={value}"))


def test_a_label_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xyz", 'energy=1 note="_JSON {}"')
    with pytest.raises(ConfigError, match="'note' holds no numbers"):
        read(path, outputs=["note"])


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("3\nenergy=1\nH 0 0 0\n")
    with pytest.raises(ConfigError, match="cannot be read as extended XYZ"):
        read(tmp_path / "a.xyz")
    (tmp_path / "b.xyz").write_text("")
    with pytest.raises(ConfigError, match=r"b\.xyz"):
        read(tmp_path / "b.xyz")


def test_other_labels_are_written_by_atom_or_by_frame(tmp_path: Path, molecules) -> None:
    sizes = [len(row) for row in molecules.inputs.columns["numbers"].items()]
    charges = [np.arange(n) * 0.1 for n in sizes]
    outputs = Batch.of([{"energy": 1.0, "q": q, "dip": np.arange(3.0) * 2} for q in charges])
    write(tmp_path / "a.xyz", Dataset(molecules.inputs, outputs))
    found = read(tmp_path / "a.xyz", outputs=["energy", "q", "dip"])
    assert found.outputs["dip"].tolist() == [[0, 2, 4]] * 5
    for got, want in zip(found.outputs.columns["q"].items(), charges, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ({"x": [1.0]}, {"y": [1.0]}, "holds atoms"),
        ({"numbers": [[1]], "positions": [[[0.0] * 3]], "T": [3.0]}, {"y": [1.0]}, "holds atoms"),
        ({"numbers": [[1]], "positions": [[[0.0] * 3]]}, {"level": [1.0]}, "own meaning"),
        ({"numbers": [[1]], "positions": [[[0.0] * 3]]}, {"a b": [1.0]}, "cannot name"),
    ],
)
def test_what_a_frame_cannot_hold_is_refused(tmp_path, inputs, outputs, said) -> None:
    dataset = Dataset(Batch.stack(**inputs), Batch.stack(**outputs))
    with pytest.raises(ConfigError, match=said):
        write(tmp_path / "a.xyz", dataset)


def test_a_periodic_frame_without_a_cell_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.xyz", 'Properties=species:S:1:pos:R:3 energy=1 pbc="T T F"')
    with pytest.raises(ConfigError, match=r"frame 0 is periodic .* has no volume"):
        read(tmp_path / "a.xyz")


def test_a_slab_may_lack_the_vector_that_nothing_repeats_along(tmp_path: Path) -> None:
    slab = ase.Atoms("H", cell=[2, 3, 0], pbc=[True, True, False])
    io.write(tmp_path / "a.xyz", with_results(slab, energy=1.0))
    assert np.linalg.det(read(tmp_path / "a.xyz").inputs["cell"][0]) == pytest.approx(6)


@pytest.mark.parametrize(("charges", "total"), [((-1.5, 0.5), [-1]), ((0.3, -0.34), None)])
def test_the_sum_of_initial_charges_is_the_charge(tmp_path: Path, charges, total) -> None:
    atoms = ase.Atoms("HH", np.eye(2, 3), charges=charges)
    io.write(tmp_path / "a.xyz", with_results(atoms, energy=1.0))
    found = read(tmp_path / "a.xyz").inputs
    assert ("charge" in found) == bool(total)
    assert not total or found["charge"].tolist() == total
