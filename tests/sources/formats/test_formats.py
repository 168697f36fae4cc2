"""Round trips through every format; units, signs, splits, and what is said of bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError, ShapeError, UnsupportedSample
from querist.sources import formats
from querist.sources.formats.units import ENERGIES, LENGTHS, converted

RNG = np.random.default_rng(0)
SUFFIX = {"extxyz": "xyz", "ase-db": "db", "npz": "npz", "parquet": "parquet"}
NEEDS = {"extxyz": "ase", "ase-db": "ase", "parquet": "pyarrow"}
EACH = [*SUFFIX, "deepmd-npy"]


def molecule(numbers, *, periodic=False, **extra) -> tuple[dict, dict]:
    count = len(numbers)
    inputs = {"numbers": np.array(numbers), "positions": RNG.normal(size=(count, 3))}
    outputs = {"energy": np.array(RNG.normal()), "forces": RNG.normal(size=(count, 3))}
    if periodic:
        inputs |= {"cell": 9 * np.eye(3) + RNG.normal(size=(3, 3)), "pbc": np.ones(3, bool)}
        stress = RNG.normal(size=(3, 3))
        outputs["stress"] = stress + stress.T
    return inputs | extra, outputs


def dataset(*rows, purposes=(), levels=()) -> Dataset:
    inputs, outputs = zip(*rows, strict=True)
    return Dataset(Batch.of(inputs), Batch.of(outputs), purposes, levels)


UNIFORM = dataset(*[molecule([8, 1, 1]) for _ in range(3)])
RAGGED = dataset(*[molecule([6] * n) for n in (1, 4, 2)])
PERIODIC = dataset(*[molecule([11, 17], periodic=True) for _ in range(2)])
CHARGED = dataset(
    *[
        molecule([8, 1], charge=np.array(c), multiplicity=np.array(m))
        for c, m in ((-1.0, 1), (0.0, 2))
    ]
)
NAMED = dataset(
    molecule([8, 1]),
    molecule([8, 1]),
    purposes=("train", "holdout"),
    levels=("GFN2-xTB", "hf/6-31G*"),
)


def path_of(folder: Path, name: str) -> Path:
    return folder / (f"data.{SUFFIX[name]}" if name in SUFFIX else "data")


def round_trip(name: str, data: Dataset, folder: Path) -> Dataset:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    path = path_of(folder, name)
    formats.write(path, data)
    return formats.read(path)


def same(one: Batch, other: Batch, tolerance: float = 0.0) -> None:
    assert set(one.columns) == set(other.columns)
    assert len(one) == len(other)
    for name in one.columns:
        for a, b in zip(one.columns[name].items(), other.columns[name].items(), strict=True):
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.atoms
@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("data", [UNIFORM, RAGGED, PERIODIC], ids=["uniform", "ragged", "periodic"])
def test_atoms_come_back(name: str, data: Dataset, tmp_path: Path) -> None:
    back = round_trip(name, data, tmp_path)
    # A virial is multiplied by a volume and divided by it again.
    tolerance = 1e-13 if name == "deepmd-npy" else 0.0
    assert back.inputs.ids == data.inputs.ids
    same(back.outputs, data.outputs, tolerance)


@pytest.mark.atoms
@pytest.mark.parametrize("name", SUFFIX)
def test_charge_purpose_and_level_come_back(name: str, tmp_path: Path) -> None:
    back = round_trip(name, CHARGED, tmp_path)
    assert back.inputs.ids == CHARGED.inputs.ids
    back = round_trip(name, NAMED, tmp_path)
    assert (back.purposes, back.levels) == (NAMED.purposes, NAMED.levels)


@pytest.mark.atoms
@pytest.mark.parametrize("name", EACH)
def test_purpose_and_level_can_be_given(name: str, tmp_path: Path) -> None:
    round_trip(name, UNIFORM, tmp_path)
    path = path_of(tmp_path, name)
    loaded = formats.load(path, purpose="holdout", level="here")
    assert loaded.dataset.purposes == ("holdout",) * 3
    assert loaded.dataset.levels == ("here",) * 3
    assert (loaded.origin, loaded.format) == (str(path), name)


@pytest.mark.atoms
@pytest.mark.parametrize("name", EACH)
def test_units_are_converted(name: str, tmp_path: Path) -> None:
    round_trip(name, PERIODIC, tmp_path)
    back = formats.read(path_of(tmp_path, name), energy_unit="Hartree", length_unit="Bohr")
    e, a = ENERGIES["Hartree"], LENGTHS["Bohr"]
    wanted = {"energy": e, "forces": e / a, "stress": e / a**3}
    for field, factor in wanted.items():
        np.testing.assert_allclose(
            back.outputs[field], PERIODIC.outputs[field] * factor, rtol=1e-12
        )
    np.testing.assert_allclose(back.inputs["positions"], PERIODIC.inputs["positions"] * a)
    np.testing.assert_allclose(back.inputs["cell"], PERIODIC.inputs["cell"] * a)
    np.testing.assert_array_equal(back.inputs["numbers"], PERIODIC.inputs["numbers"])


def test_units_have_their_values() -> None:
    units = pytest.importorskip("ase.units")
    known = {
        "Hartree": units.Hartree,
        "kcal/mol": units.kcal / units.mol,
        "kJ/mol": units.kJ / units.mol,
    }
    for name, value in known.items():
        assert ENERGIES[name] == pytest.approx(value, rel=1e-7)
    assert LENGTHS["Bohr"] == pytest.approx(units.Bohr, rel=1e-7)
    with pytest.raises(ConfigError, match=r"no unit 'cal'; known are \['eV'"):
        converted(UNIFORM, "cal")
    assert converted(UNIFORM, "ev", "angstrom") is UNIFORM


# ---- plain arrays

ARRAYS = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    elements={"allow_nan": False},
)


@pytest.mark.parametrize("name", ["npz", "parquet"])
@given(
    rows=st.lists(
        hnp.arrays(np.float32, st.tuples(st.integers(0, 4), st.just(2))), min_size=1, max_size=4
    ),
    other=hnp.arrays(np.int64, st.tuples(st.just(2), st.integers(0, 3), st.integers(1, 2))),
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5),
)
def test_any_arrays_come_back(tmp_path_factory, name: str, rows, other, text: str) -> None:
    count = len(rows)
    data = Dataset(
        Batch.of([{"file": row, "m": np.array(True)} for row in rows]),
        Batch.of([{"y": other, "file": np.array(text)} for _ in range(count)]),
        levels=(text,) * count,
    )
    back = round_trip(name, data, tmp_path_factory.mktemp("round"))
    assert back.inputs.ids == data.inputs.ids
    assert back.levels == data.levels
    for i in range(count):
        held = back.outputs.arrays(i)
        np.testing.assert_array_equal(held["y"], other)
        assert held["y"].dtype == other.dtype
        assert str(held["file"]) == text


@pytest.mark.parametrize("name", ["npz", "parquet"])
def test_version_and_uris_come_back(name: str, tmp_path: Path) -> None:
    inputs = Batch({**Batch.stack(x=np.arange(2.0)).columns}, None, ("s3://a", None))
    data = Dataset(inputs, Batch.stack(y=np.arange(2.0)), version=7)
    back = round_trip(name, data, tmp_path)
    assert back.version == 7
    assert back.inputs.uris == ("s3://a", None)
    assert back.inputs.ids == inputs.ids


def test_a_uniform_npz_is_plain_numpy(tmp_path: Path) -> None:
    formats.write(tmp_path / "a.npz", UNIFORM)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as held:
        np.testing.assert_array_equal(held["forces"], UNIFORM.outputs["forces"])
        np.testing.assert_array_equal(held["positions"], UNIFORM.inputs["positions"])


def test_a_foreign_npz_needs_to_be_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.ones((3, 2)), b=np.arange(3.0))
    with pytest.raises(ShapeError, match=r"give inputs= and outputs= .* \['a', 'b'\]"):
        formats.read(tmp_path / "a.npz")
    back = formats.read(tmp_path / "a.npz", inputs={"x": "a"}, outputs=["b"])
    assert back.inputs["x"].shape == (3, 2)
    assert back.outputs["b"].tolist() == [0, 1, 2]
    with pytest.raises(ShapeError, match=r"no field 'c'; it has \['a', 'b'\]"):
        formats.read(tmp_path / "a.npz", inputs=["c"], outputs=["b"])


def test_atoms_in_a_foreign_npz_are_known_by_name(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        numbers=np.array([8, 1]),
        positions=np.ones((3, 2, 3)),
        energy=np.zeros(3),
    )
    back = formats.read(tmp_path / "a.npz")
    assert back.inputs["numbers"].tolist() == [[8, 1]] * 3
    assert set(back.outputs.columns) == {"energy"}


def test_an_sgdml_archive_is_known_by_its_names(tmp_path: Path) -> None:
    fields = {
        "z": np.array([8, 1]),
        "R": np.ones((3, 2, 3)),
        "E": np.ones((3, 1)),
        "F": np.ones((3, 2, 3)),
    }
    np.savez(tmp_path / "a.npz", type=np.array("d"), **fields)
    back = formats.read(tmp_path / "a.npz")
    np.testing.assert_allclose(back.outputs["energy"], [0.0433641039] * 3)
    np.savez(tmp_path / "b.npz", e_unit=np.array(b"Hartree"), r_unit=np.array("Bohr"), **fields)
    back = formats.read(tmp_path / "b.npz")
    np.testing.assert_allclose(back.outputs["forces"][0, 0, 0], 27.211386 / 0.529177211)
    np.testing.assert_allclose(back.inputs["positions"][0, 0, 0], 0.529177211)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ShapeError, match="Python objects, which are not loaded"):
        formats.read(tmp_path / "a.npz")


def test_a_foreign_parquet_table(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"a": [1.0, 2.0], "b": [[1, 2], [3]], "c": [1, None], "d": ["u", "v"]}
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet")
    back = formats.read(tmp_path / "a.parquet", inputs=["a", "b"], outputs={"name": "d"})
    assert back.inputs["a"].tolist() == [1.0, 2.0]
    assert [item.tolist() for item in back.inputs.columns["b"].items()] == [[1, 2], [3]]
    assert back.outputs["name"].tolist() == ["u", "v"]
    for outputs, words in (
        (["c"], "'c' holds 1 nulls"),
        (["e"], "no column 'e'"),
        (None, "give inputs="),
    ):
        with pytest.raises(ShapeError, match=words):
            formats.read(tmp_path / "a.parquet", inputs=["a"], outputs=outputs)


def test_parquet_says_what_it_cannot_hold(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    data = Dataset(Batch.stack(x=np.ones(1)), Batch.stack(y=np.ones(1, complex)))
    with pytest.raises(ShapeError, match="cannot hold 'out/y' of dtype complex128"):
        formats.write(tmp_path / "a.parquet", data)
    assert list(tmp_path.iterdir()) == []


# ---- extended XYZ and ASE


@pytest.mark.atoms
def test_ase_reads_what_is_written_with_the_same_stress(tmp_path: Path) -> None:
    io = pytest.importorskip("ase.io")
    formats.write(tmp_path / "a.xyz", PERIODIC)
    atoms = io.read(tmp_path / "a.xyz", index=0)
    np.testing.assert_array_equal(atoms.get_forces(), PERIODIC.outputs["forces"][0])
    np.testing.assert_allclose(atoms.get_stress(voigt=False), PERIODIC.outputs["stress"][0])
    np.testing.assert_array_equal(atoms.cell.array, PERIODIC.inputs["cell"][0])


@pytest.mark.atoms
@pytest.mark.parametrize("suffix", ["xyz", "db"])
def test_what_ase_writes_is_read(tmp_path: Path, suffix: str) -> None:
    io, build, emt = (pytest.importorskip(f"ase.{m}") for m in ("io", "build", "calculators.emt"))
    crystal = build.bulk("Cu", cubic=True) * (1, 1, 2)
    crystal.rattle(0.05, seed=1)
    crystal.calc = emt.EMT()
    energy, stress = crystal.get_potential_energy(), crystal.get_stress(voigt=False)
    forces = crystal.get_forces()
    io.write(tmp_path / f"a.{suffix}", crystal)
    back = formats.read(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(back.outputs["energy"], [energy], atol=1e-7)
    np.testing.assert_allclose(back.outputs["forces"][0], forces, atol=1e-7)
    np.testing.assert_allclose(back.outputs["stress"][0], stress, atol=1e-7)
    np.testing.assert_allclose(back.inputs["cell"][0], crystal.cell.array, atol=1e-7)


XYZ = """2
Lattice="2 0 0 0 3 0 0 0 4" Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-1.5 {more}pbc="T T T"
H 0 0 0 1 2 3
H 0 0 1 -1 -2 -3
"""
NAMES = {"energy": "REF_energy", "forces": "REF_forces"}


@pytest.mark.atoms
def test_labels_of_other_names_are_read_when_told(tmp_path: Path) -> None:
    pytest.importorskip("ase")
    file = tmp_path / "a.xyz"
    file.write_text(XYZ.format(more=""))
    with pytest.raises(ShapeError, match="holds no labels"):
        formats.read(file)
    back = formats.read(file, outputs=NAMES)
    assert back.outputs["energy"].tolist() == [-1.5]
    assert back.outputs["forces"][0, 1].tolist() == [-1, -2, -3]
    with pytest.raises(ShapeError, match="has no 'DFT_energy'; it has"):
        formats.read(file, outputs={"energy": "DFT_energy"})


@pytest.mark.atoms
def test_a_virial_becomes_a_stress(tmp_path: Path) -> None:
    pytest.importorskip("ase")
    virial = 'energy=1 virial="24 0 0 0 48 0 0 0 -24" '
    (tmp_path / "a.xyz").write_text(XYZ.format(more=virial))
    back = formats.read(tmp_path / "a.xyz")
    np.testing.assert_allclose(back.outputs["stress"][0], np.diag([-1.0, -2.0, 1.0]))


@pytest.mark.atoms
def test_frames_of_different_kinds_are_filled_or_refused(tmp_path: Path) -> None:
    pytest.importorskip("ase")
    open_cell = "1\nenergy=2.0 charge=-1\nH 0 0 0\n"
    closed = '1\nenergy=1.0 Lattice="2 0 0 0 2 0 0 0 2" multiplicity=3\nH 0 0 0\n'
    (tmp_path / "a.xyz").write_text(open_cell + closed)
    back = formats.read(tmp_path / "a.xyz")
    assert back.inputs["pbc"].any(axis=1).tolist() == [False, True]
    assert back.inputs["charge"].tolist() == [-1, 0]
    assert back.inputs["multiplicity"].tolist() == [1, 3]
    forces = "1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=2.0\nH 0 0 0 0 0 0\n"
    (tmp_path / "b.xyz").write_text(forces + closed)
    with pytest.raises(ShapeError, match=r"structure 1 has no 'forces', but others have"):
        formats.read(tmp_path / "b.xyz")
    assert len(formats.read(tmp_path / "b.xyz", outputs=["energy"])) == 2


@pytest.mark.atoms
@pytest.mark.parametrize("text", ["", "nonsense\n", "2\nenergy=1\nH 0 0 0\n"])
def test_a_broken_xyz_is_an_error_with_its_path(tmp_path: Path, text: str) -> None:
    pytest.importorskip("ase")
    (tmp_path / "bad.xyz").write_text(text)
    with pytest.raises(ShapeError, match=r"bad\.xyz"):
        formats.read(tmp_path / "bad.xyz")


@pytest.mark.atoms
def test_further_labels_are_written(tmp_path: Path) -> None:
    pytest.importorskip("ase")
    inputs, outputs = molecule([8, 1, 1])
    outputs |= {"gap": np.array(0.5), "q": np.arange(3.0), "dipole": np.arange(2.0)}
    names = ["energy", "forces", "gap", "q", "dipole"]
    for suffix in ("xyz", "db"):
        formats.write(tmp_path / f"a.{suffix}", dataset((inputs, outputs)))
        back = formats.read(tmp_path / f"a.{suffix}", outputs=names)
        assert back.outputs["gap"].tolist() == [0.5]
        assert back.outputs["q"][0].tolist() == [0, 1, 2]
        assert back.outputs["dipole"][0].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["extxyz", "ase-db", "deepmd-npy"])
def test_formats_of_atoms_refuse_other_samples(name: str, tmp_path: Path) -> None:
    data = Dataset(Batch.stack(x=np.ones(1)), Batch.stack(y=np.ones(1)))
    with pytest.raises(ShapeError, match=r"holds atoms .* \['x'\]; write npz or parquet"):
        formats.write(path_of(tmp_path, name), data)
    assert list(tmp_path.iterdir()) == []


# ---- DeePMD


def test_a_virial_of_deepmd_has_the_opposite_sign_of_the_stress(tmp_path: Path) -> None:
    formats.write(tmp_path / "d", PERIODIC)
    (system,) = (tmp_path / "d").iterdir()
    assert system.name == "000-NaCl"
    assert (system / "type_map.raw").read_text().split() == ["Na", "Cl"]
    held = {file.stem: np.load(file) for file in (system / "set.000").iterdir()}
    assert held["coord"].shape == (2, 6)
    volume = np.linalg.det(PERIODIC.inputs["cell"][0])
    expected = -PERIODIC.outputs["stress"][0].ravel() * volume
    np.testing.assert_allclose(held["virial"][0], expected)


def test_a_compressed_crystal_pushes_outwards(tmp_path: Path) -> None:
    """Pressure: the virial of DeePMD is positive, ASE's stress negative."""
    system = tmp_path / "d" / "set.000"
    system.mkdir(parents=True)
    (tmp_path / "d" / "type.raw").write_text("0\n")
    (tmp_path / "d" / "type_map.raw").write_text("Ar\n")
    arrays = {"coord": np.zeros((1, 3)), "box": 2 * np.eye(3).reshape(1, 9), "energy": np.ones(1)}
    for name, value in (arrays | {"virial": np.eye(3).reshape(1, 9)}).items():
        np.save(system / f"{name}.npy", value)
    back = formats.read(tmp_path / "d")
    np.testing.assert_allclose(back.outputs["stress"][0], -np.eye(3) / 8)
    assert "forces" not in back.outputs


def test_systems_of_mixed_type_lose_their_padding(tmp_path: Path) -> None:
    system = tmp_path / "d" / "set.000"
    system.mkdir(parents=True)
    (tmp_path / "d" / "type.raw").write_text("0\n0\n0\n")
    (tmp_path / "d" / "type_map.raw").write_text("H\nO\n")
    (tmp_path / "d" / "nopbc").touch()
    np.save(system / "real_atom_types.npy", np.array([[1, 0, 0], [0, 0, -1]]))
    for name, value in {
        "coord": np.arange(18.0).reshape(2, 9),
        "force": np.ones((2, 9)),
        "energy": np.ones((2, 1)),
    }.items():
        np.save(system / f"{name}.npy", value)
    back = formats.read(tmp_path / "d")
    assert [item.tolist() for item in back.inputs.columns["numbers"].items()] == [[8, 1, 1], [1, 1]]
    assert [item.shape for item in back.outputs.columns["forces"].items()] == [(3, 3), (2, 3)]


def test_what_deepmd_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSample, match="charge"):
        formats.write(tmp_path / "d", CHARGED)
    slab = dataset(molecule([1], cell=np.eye(3), pbc=np.array([True, True, False])))
    with pytest.raises(ShapeError, match="all directions or none"):
        formats.write(tmp_path / "e", slab)
    formats.write(tmp_path / "f", UNIFORM)
    with pytest.raises(ConfigError, match="not empty"):
        formats.write(tmp_path / "f", UNIFORM)


def test_what_is_missing_in_a_deepmd_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"no type\.raw in or below it"):
        formats.read(tmp_path)
    formats.write(tmp_path / "d", UNIFORM)
    (system,) = (tmp_path / "d").iterdir()
    np.save(system / "set.000" / "force.npy", np.zeros((3, 5)))
    with pytest.raises(ShapeError, match=r"force\.npy should hold 9 numbers a structure"):
        formats.read(tmp_path / "d")
    (system / "set.000" / "coord.npy").unlink()
    with pytest.raises(ShapeError, match=r"has no coord\.npy"):
        formats.read(tmp_path / "d")
    (system / "type_map.raw").write_text("Qq\n")
    with pytest.raises(ShapeError, match="'Qq' is no element"):
        formats.read(tmp_path / "d")
    with pytest.raises(ShapeError, match="no label 'charge'"):
        (system / "type_map.raw").write_text("H\nO\n")
        np.save(system / "set.000" / "coord.npy", np.zeros((3, 9)))
        formats.read(tmp_path / "d", outputs=["charge"])


# ---- the door


def test_missing_files_and_unknown_formats_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file or folder .*none\.npz"):
        formats.read(tmp_path / "none.npz")
    with pytest.raises(ConfigError, match=r"suffix '\.csv' is not known; known are \['\.db'"):
        formats.read(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match=r"no format 'csv'; known are \['ase-db'"):
        formats.write(tmp_path / "a", UNIFORM, format="csv")
    formats.write(tmp_path / "a.data", UNIFORM, format="npz")
    assert len(formats.read(tmp_path / "a.data", format="npz")) == 3
    with pytest.raises(ConfigError, match="no option 'input' for reading; known are"):
        formats.read(tmp_path / "a.data", format="npz", input=["x"])
    with pytest.raises(ValueError, match="practice"):
        formats.read(tmp_path / "a.data", format="npz", purpose="practice")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    formats.write(tmp_path / "sub" / "a.parquet", UNIFORM)
    bad = Dataset(Batch.stack(x=np.ones(1)), Batch.stack(y=np.ones(1, complex)))
    with pytest.raises(ShapeError):
        formats.write(tmp_path / "sub" / "a.parquet", bad)
    assert formats.read(tmp_path / "sub" / "a.parquet").inputs.ids == UNIFORM.inputs.ids
    assert [file.name for file in (tmp_path / "sub").iterdir()] == ["a.parquet"]


def test_several_files_have_purposes_of_their_own(tmp_path: Path) -> None:
    for name in "abc":
        formats.write(tmp_path / f"{name}.npz", UNIFORM)
    paths = [str(tmp_path / f"{name}.npz") for name in "abc"]
    parts = formats.load_split({"train": paths[:2], "holdout": paths[2]}, level="x")
    assert [part.origin for part in parts] == paths
    assert [set(part.dataset.purposes) for part in parts] == [{"train"}, {"train"}, {"holdout"}]


@given(st.integers(0, 40), st.floats(0, 0.5), st.floats(0, 0.5), st.integers(0, 5))
def test_a_split_gives_its_shares(
    count: int, holdout: float, calibration: float, seed: int
) -> None:
    data = Dataset(Batch.stack(x=np.arange(count)), Batch.stack(y=np.arange(count)))
    shares = {"holdout": holdout, "calibration": calibration}
    back = formats.split(data, shares, np.random.default_rng(seed))
    for purpose, share in shares.items():
        assert len(back.rows(Purpose(purpose))) == int(share * count + 1e-9)
    assert len(back) == count
    again = formats.split(data, shares, np.random.default_rng(seed))
    assert again.purposes == back.purposes


@pytest.mark.parametrize("bad", [{"test": 0.1}, {"holdout": 0.7, "audit": 0.4}, {"holdout": -0.1}])
def test_a_split_that_is_none_is_refused(bad) -> None:
    with pytest.raises(ConfigError, match="at most 1 together"):
        formats.split(UNIFORM, bad, np.random.default_rng(0))
