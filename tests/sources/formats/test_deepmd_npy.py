"""DeePMD's folders, as the format is documented and as we write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import read, write


def system(path: Path, frames: int = 3, periodic: bool = True, **more: np.ndarray) -> Path:
    """Water in DeePMD's format, two sets, made by hand."""
    rng = np.random.default_rng(frames)
    path.mkdir(parents=True)
    (path / "type.raw").write_text("1\n0\n0\n")
    (path / "type_map.raw").write_text("H O\n")
    if not periodic:
        (path / "nopbc").touch()
    for name in ("set.000", "set.001"):
        arrays = {
            "coord": rng.normal(size=(frames, 9)),
            "energy": rng.normal(size=frames),
            "force": rng.normal(size=(frames, 9)),
        }
        if periodic:
            arrays["box"] = np.tile(np.diag([2.0, 3.0, 4.0]).ravel(), (frames, 1))
            arrays["virial"] = np.tile(np.diag([24.0, 48.0, -24.0]).ravel(), (frames, 1))
        (path / name).mkdir()
        for key, array in {**arrays, **more}.items():
            np.save(path / name / f"{key}.npy", array)
    return path


def test_a_system_is_read_with_stress_of_ases_sign(tmp_path: Path) -> None:
    path = system(tmp_path / "water")
    found = read(path)
    assert len(found) == 6
    assert found.inputs["numbers"].tolist() == [[8, 1, 1]] * 6
    coord = np.load(path / "set.001" / "coord.npy")
    np.testing.assert_array_equal(found.inputs["positions"][3], coord[0].reshape(3, 3))
    force = np.load(path / "set.001" / "force.npy")
    np.testing.assert_array_equal(found.outputs["forces"][5], force[2].reshape(3, 3))
    np.testing.assert_allclose(found.outputs["stress"], [np.diag([-1.0, -2.0, 1.0])] * 6)
    assert found.inputs["pbc"].all()
    assert found.inputs["cell"][0].tolist() == np.diag([2.0, 3.0, 4.0]).tolist()


def test_nopbc_has_no_cell_even_if_there_is_a_box(tmp_path: Path) -> None:
    path = system(tmp_path / "water", periodic=False, box=np.ones((3, 9)))
    assert set(read(path).inputs.columns) == {"numbers", "positions"}


def test_systems_below_a_folder_are_joined(tmp_path: Path) -> None:
    system(tmp_path / "all" / "b", frames=2)
    system(tmp_path / "all" / "a", frames=1)
    found = read(tmp_path / "all")
    assert len(found) == 6
    energies = np.load(tmp_path / "all" / "a" / "set.000" / "energy.npy")
    assert found.outputs["energy"][0] == energies[0]


def test_mixed_types_are_read_without_virtual_atoms(tmp_path: Path) -> None:
    kinds = np.array([[0, 1, 0], [1, 1, -1], [0, -1, -1]])
    path = system(tmp_path / "mixed", periodic=False, real_atom_types=kinds)
    found = read(path)
    numbers = [row.tolist() for row in found.inputs.columns["numbers"].items()][:3]
    assert numbers == [[1, 8, 1], [8, 8], [1]]
    forces = np.load(path / "set.000" / "force.npy").reshape(3, 3, 3)
    np.testing.assert_array_equal(found.outputs.arrays(1)["forces"], forces[1, :2])


def test_one_system_is_written_flat_and_exactly(tmp_path: Path, rng, same) -> None:
    rows = [dict(atoms_sample([8, 1], rng.normal(size=(2, 3))).arrays) for _ in range(3)]
    outputs = Batch.stack(energy=rng.normal(size=3), forces=rng.normal(size=(3, 2, 3)))
    dataset = Dataset(Batch.of(rows), outputs, levels=("PBE",) * 3)
    write(tmp_path / "w", dataset, "deepmd_npy")
    assert (tmp_path / "w" / "nopbc").exists()
    assert (tmp_path / "w" / "type_map.raw").read_text().split() == ["H", "O"]
    assert (tmp_path / "w" / "type.raw").read_text().split() == ["1", "0"]
    assert np.load(tmp_path / "w" / "set.000" / "force.npy").shape == (3, 6)
    same(read(tmp_path / "w"), dataset)


def test_the_virial_is_minus_stress_times_volume(tmp_path: Path, crystals) -> None:
    write(tmp_path / "c", crystals.take(np.array([0])), "deepmd_npy")
    virial = np.load(tmp_path / "c" / "set.000" / "virial.npy").reshape(3, 3)
    volume = abs(np.linalg.det(crystals.inputs.arrays(0)["cell"]))
    np.testing.assert_allclose(virial, -volume * crystals.outputs.arrays(0)["stress"])


def test_purposes_and_compositions_have_folders(tmp_path: Path, rng) -> None:
    def row(numbers: list[int]) -> dict:
        return dict(atoms_sample(numbers, rng.normal(size=(len(numbers), 3))).arrays)

    rows = [row([8, 1, 1]), row([1, 8, 1]), row([8, 1, 1]), row([6])]
    purposes = ("train", "train", "holdout", "train")
    dataset = Dataset(Batch.of(rows), Batch.stack(energy=[0.0, 1.0, 2.0, 3.0]), purposes)
    write(tmp_path / "a", dataset, "deepmd_npy")
    folders = {str(f.parent.relative_to(tmp_path / "a")) for f in tmp_path.rglob("type.raw")}
    assert folders == {"train/H2O", "train/H2O-2", "train/C", "holdout/H2O"}
    maps = {f.read_text() for f in tmp_path.rglob("type_map.raw")}
    assert maps == {"H\nC\nO\n"}
    found = read(tmp_path / "a")
    pairs = dict(zip(found.outputs["energy"].tolist(), found.purposes, strict=True))
    assert pairs == {0: "train", 1: "train", 2: "holdout", 3: "train"}


def test_labels_may_be_chosen(tmp_path: Path) -> None:
    path = system(tmp_path / "water")
    assert set(read(path, outputs=["energy"]).outputs.columns) == {"energy"}
    with pytest.raises(ConfigError, match="Did you mean 'forces'"):
        read(path, outputs=["force"])


def remove(path: Path, *names: str) -> None:
    for name in names:
        (path / name).unlink()


def test_missing_files_are_named(tmp_path: Path) -> None:
    path = system(tmp_path / "water")
    remove(path, "set.001/virial.npy")
    with pytest.raises(ConfigError, match=r"set\.000 has the outputs .*'stress'.* but .*set\.001"):
        read(path)
    with pytest.raises(ConfigError, match=r"virial\.npy does not exist"):
        read(path, outputs=["stress"])
    remove(path, "type_map.raw")
    with pytest.raises(ConfigError, match=r"type_map\.raw does not exist: .*type_map="):
        read(path)
    assert read(path, type_map=["H", "O"], outputs=["energy"]).inputs["numbers"][0].tolist() == [
        8,
        1,
        1,
    ]
    remove(path, "set.000/box.npy")
    with pytest.raises(ConfigError, match=r"box\.npy does not exist"):
        read(path, type_map=["H", "O"])


def test_sets_without_labels_are_refused(tmp_path: Path) -> None:
    path = system(tmp_path / "water", periodic=False)
    for name in ("set.000", "set.001"):
        remove(path / name, "energy.npy", "force.npy")
    with pytest.raises(ConfigError, match="holds no label"):
        read(path)


def test_a_system_without_sets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "type.raw").write_text("0\n")
    (tmp_path / "type_map.raw").write_text("H\n")
    with pytest.raises(ConfigError, match=r"no set\.\* folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("coord", np.zeros((3, 6)), r"coord\.npy has the shape"),
        ("energy", np.zeros(2), r"energy\.npy has the shape"),
        ("force", np.array([{}], dtype=object), "cannot be read as an array of numbers"),
        ("real_atom_types", np.full((3, 3), 7), "type 7 is beyond"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, name, array, said) -> None:
    with pytest.raises(ConfigError, match=said):
        read(system(tmp_path / "water", **{name: array}))


def test_an_unknown_element_is_refused(tmp_path: Path) -> None:
    path = system(tmp_path / "water")
    (path / "type_map.raw").write_text("H Ox\n")
    with pytest.raises(ConfigError, match="'Ox' is no element"):
        read(path)


def test_what_the_format_cannot_say_is_refused(tmp_path: Path, molecules, crystals) -> None:
    slab = atoms_sample([1], [[0.0, 0, 0]], np.eye(3), [True, True, False]).arrays
    energy = Batch.stack(energy=[1.0])
    with pytest.raises(ConfigError, match="2 of 3 directions"):
        write(tmp_path / "a", Dataset(Batch.of([slab]), energy), "deepmd_npy")
    with pytest.raises(ConfigError, match=r"not \['dipole'\]"):
        write(
            tmp_path / "a",
            Dataset(molecules.inputs, Batch.stack(dipole=np.zeros((5, 3)))),
            "deepmd_npy",
        )
    stress = Batch.stack(stress=np.zeros((5, 3, 3)))
    with pytest.raises(ConfigError, match="without a cell"):
        write(tmp_path / "a", Dataset(molecules.inputs, stress), "deepmd_npy")
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_not_replaced(tmp_path: Path, molecules) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="exists; give a new folder"):
        write(tmp_path / "mine", molecules, "deepmd_npy")
    assert (tmp_path / "mine" / "thesis.tex").exists()
