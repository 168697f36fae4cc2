"""Telling formats apart, options, and what holds for every format."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError, MissingExtra
from querist.sources.formats import FORMATS, ase_frames, format_of, parquet, read, write

FILES = {"extxyz": "x.xyz", "ase_db": "x.db", "npz": "x.npz", "parquet": "x.parquet"}
FILES |= {"deepmd_npy": "x", "csv": "x.csv"}
NEEDS = {"extxyz": "ase", "ase_db": "ase", "parquet": "pyarrow"}


@pytest.fixture(params=sorted({*FORMATS} - {"csv"}))  # which holds no atoms
def kind(request) -> str:
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    return request.param


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.xyz", "extxyz"),
        ("a.extxyz", "extxyz"),
        ("a.XYZ", "extxyz"),
        ("a.db", "ase_db"),
        ("a.npz", "npz"),
        ("a.parquet", "parquet"),
        ("a.pq", "parquet"),
        ("a.csv", "csv"),
    ],
)
def test_the_suffix_tells_the_format(name: str, wanted: str) -> None:
    assert format_of(Path(name)) == wanted


def test_a_format_may_be_spelt_with_a_hyphen() -> None:
    assert format_of(Path("x"), "deepmd-npy") == "deepmd_npy"


def test_a_folder_with_type_raw_below_is_deepmd(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no type\.raw"):
        format_of(tmp_path)
    (tmp_path / "a" / "b" / "type.raw").write_text("0\n")
    assert format_of(tmp_path) == "deepmd_npy"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.xyz does not exist"):
        read(tmp_path / "gone.xyz")


def test_an_unknown_suffix_names_the_known_ones_and_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "a.parket").touch()
    with pytest.raises(ConfigError, match=r"\.npz.*Did you mean '\.parquet'") as error:
        read(tmp_path / "a.parket")
    assert "deepmd_npy" in str(error.value)


def test_an_unknown_format_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").touch()
    with pytest.raises(ConfigError, match="Did you mean 'extxyz'"):
        read(tmp_path / "a.xyz", "extxy")


def test_an_unknown_option_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "a.npz").touch()
    with pytest.raises(ConfigError, match="Did you mean 'outputs'"):
        read(tmp_path / "a.npz", output=["y"])


def test_nothing_to_write_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ConfigError, match="no label to write"):
        write(tmp_path / FILES[kind], Dataset(Batch({}), Batch({})), kind)


def test_writing_into_no_folder_is_refused(tmp_path: Path, kind: str, molecules) -> None:
    with pytest.raises(ConfigError, match="does not exist; make it first"):
        write(tmp_path / "gone" / FILES[kind], molecules, kind)


def test_every_format_brings_back_what_it_wrote(tmp_path: Path, kind: str, crystals, same) -> None:
    path = tmp_path / FILES[kind]
    write(path, crystals, kind)
    assert os.listdir(tmp_path) == [path.name]
    if kind == "deepmd_npy":  # it has a folder a composition, and virials instead of stress
        same(read(path), crystals.take(np.array([0, 1, 3, 2])), rtol=1e-12)
    else:
        same(read(path, kind), crystals)


def test_every_format_keeps_charges_for_all_samples(tmp_path, kind: str, charged, same) -> None:
    write(tmp_path / FILES[kind], charged, kind)
    found = read(tmp_path / FILES[kind], kind)
    index = {key: row for row, key in enumerate(found.inputs.ids)}
    same(found.take(np.array([index[key] for key in charged.inputs.ids])), charged)


def test_every_format_gives_the_same_ids(tmp_path: Path, kind: str, molecules) -> None:
    write(tmp_path / FILES[kind], molecules, kind)
    found = read(tmp_path / FILES[kind])
    assert sorted(found.inputs.ids) == sorted(molecules.inputs.ids)
    pairs = zip(found.inputs.ids, found.purposes, found.levels, strict=True)
    assert sorted(pairs) == sorted(
        zip(molecules.inputs.ids, molecules.purposes, molecules.levels, strict=True)
    )
    assert set(found.inputs.columns) == {"numbers", "positions"}


def test_every_format_converts_units(tmp_path: Path, kind: str, crystals) -> None:
    write(tmp_path / FILES[kind], crystals, kind)
    plain = read(tmp_path / FILES[kind])
    found = read(tmp_path / FILES[kind], energy_unit="Hartree", length_unit="Bohr")
    hartree, bohr = 27.211386245988, 0.529177210903
    wanted = {"energy": hartree, "forces": hartree / bohr, "stress": hartree / bohr**3}
    for name, factor in wanted.items():
        got, was = found.outputs.columns[name].data, plain.outputs.columns[name].data
        np.testing.assert_allclose(got, was * factor)
    for name, factor in {"positions": bohr, "cell": bohr, "numbers": 1}.items():
        got, was = found.inputs.columns[name].data, plain.inputs.columns[name].data
        np.testing.assert_allclose(got, was * factor)
    with pytest.raises(ConfigError, match="no unit 'erg'"):
        read(tmp_path / FILES[kind], energy_unit="erg")


def other_than_atoms() -> Dataset:
    return Dataset(Batch.stack(x=[1.0]), Batch.stack(y=[1j]))


@pytest.mark.parametrize("kind", ["extxyz", "ase_db", "parquet", "csv"])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, kind: str) -> None:
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    path = tmp_path / FILES[kind]
    path.write_text("before")
    with pytest.raises(ConfigError):
        write(path, other_than_atoms(), kind)
    assert (os.listdir(tmp_path), path.read_text()) == ([path.name], "before")


def test_a_failed_write_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds atoms"):
        write(tmp_path / "a", other_than_atoms(), "deepmd_npy")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["extxyz", "ase_db", "parquet", "npz"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, kind: str) -> None:
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    path = tmp_path / FILES[kind]
    path.write_bytes(b"this is\nno such file\n" * 20)
    with pytest.raises(ConfigError, match=f"{path.name} cannot be read"):
        read(path)


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [(ase_frames, "a.xyz", "atoms"), (ase_frames, "a.db", "atoms"), (parquet, "a.pq", "parquet")],
)
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch, module, name: str, extra: str
) -> None:
    def refuse(package: str, extra: str, needed_for: str) -> None:
        raise MissingExtra(package, extra, needed_for)

    monkeypatch.setattr(module, "require", refuse)
    (tmp_path / name).touch()
    with pytest.raises(MissingExtra, match=rf"pip install 'querist\[{extra}\]'"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npz", "a.parquet", "a.xyz"])
def test_labels_that_are_not_finite_are_refused_with_their_sample(
    tmp_path: Path, name: str, molecules
) -> None:
    if (kind := format_of(Path(name))) in NEEDS:
        pytest.importorskip(NEEDS[kind])
    energies = molecules.outputs["energy"].copy()
    energies[3] = np.nan
    columns = {**molecules.outputs.columns, **Batch.stack(energy=energies).columns}
    write(tmp_path / name, Dataset(molecules.inputs, Batch(columns)))
    with pytest.raises(ConfigError, match="sample 3: 'energy' is not finite"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npz", "a.parquet"])
def test_fields_of_the_wrong_shape_are_refused_with_their_sample(
    tmp_path: Path, name: str, molecules
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    forces = list(molecules.outputs.columns["forces"].items())
    forces[1] = forces[1][:-1]
    outputs = Batch.of([{"forces": array} for array in forces])
    write(tmp_path / name, Dataset(molecules.inputs, outputs))
    with pytest.raises(ConfigError, match="sample 1: 'forces' should have the shape"):
        read(tmp_path / name)
