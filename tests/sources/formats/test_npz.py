"""NumPy archives: any arrays, foreign ones, never pickle."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import read, write

DTYPES = st.sampled_from(["f8", "f4", "i8", "u1", "?", "U3"])
ORDINARY = {"f": st.floats(-1e3, 1e3, width=16), "U": st.text("aé1", max_size=3)}


@st.composite
def batches(draw, count: int) -> Batch:
    columns = {}
    for name in draw(st.sets(st.sampled_from(["x", "a/b", "data", "file", "é"]), min_size=1)):
        dtype = np.dtype(draw(DTYPES))
        ragged = draw(st.booleans())
        axes = draw(st.integers(0, 2))
        one = st.tuples(*[st.integers(0, 3)] * axes)
        shapes = [draw(one)] * count if not ragged else [draw(one) for _ in range(count)]
        elements = ORDINARY.get(dtype.kind)
        columns[name] = [draw(hnp.arrays(dtype, shape, elements=elements)) for shape in shapes]
    return Batch.of([{n: items[i] for n, items in columns.items()} for i in range(count)])


@st.composite
def datasets(draw) -> Dataset:
    count = draw(st.integers(1, 4))
    return Dataset(
        draw(batches(count)),
        draw(batches(count)),
        tuple(draw(st.sampled_from([p.value for p in Purpose])) for _ in range(count)),
        tuple(draw(st.text(max_size=5).filter(lambda t: "\0" not in t)) for _ in range(count)),
    )


@given(datasets())
def test_any_dataset_comes_back(dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "a.npz", dataset)
        found = read(Path(folder) / "a.npz")
    assert found.inputs.ids == dataset.inputs.ids
    assert found.outputs.ids == dataset.outputs.ids
    assert found.purposes == dataset.purposes
    assert found.levels == dataset.levels


def test_uniform_arrays_are_plain(tmp_path: Path, charged) -> None:
    write(tmp_path / "a.npz", charged)
    with np.load(tmp_path / "a.npz") as archive:
        assert archive["input.positions"].shape == (3, 4, 3)
        assert archive["output.energy"].shape == (3,)


def test_uris_come_back(tmp_path: Path) -> None:
    inputs = Batch(Batch.stack(x=[1.0, 2.0]).columns, uris=("s3://a", None))
    write(tmp_path / "a.npz", Dataset(inputs, Batch.stack(y=[1, 2])))
    found = read(tmp_path / "a.npz").inputs
    assert found.uris == ("s3://a", None)
    assert found.ids == inputs.ids


def test_a_molecule_of_another_program_with_its_units(tmp_path: Path, rng) -> None:
    R, F, E = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 1))
    np.savez(tmp_path / "md.npz", nuclear_charges=np.array([8, 1], np.uint8), coords=R, f=F, e=E)
    found = read(
        tmp_path / "md.npz",
        inputs={"numbers": "nuclear_charges", "positions": "coords"},
        outputs={"energy": "e", "forces": "f"},
        shared=["numbers"],
        energy_unit="kcal/mol",
        length_unit="Bohr",
    )
    assert found.inputs["numbers"].tolist() == [[8, 1]] * 4
    np.testing.assert_allclose(found.inputs["positions"], R * 0.529177210903)
    np.testing.assert_allclose(found.outputs["energy"], E[:, 0] * 0.0433641039)
    np.testing.assert_allclose(found.outputs["forces"], F * 0.0433641039 / 0.529177210903)
    assert set(found.purposes) == {"train"}


def test_an_archive_of_sgdml_is_known(tmp_path: Path, rng) -> None:
    R, F, E = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 1))
    held = {"type": "d", "name": "OH", "theory": "PBE", "z": np.array([8, 1]), "R": R, "F": F}
    held |= {"E": E, "r_unit": "Ang", "e_unit": "kcal/mol"}
    np.savez(tmp_path / "d.npz", **held)
    found = read(tmp_path / "d.npz")
    assert found.levels == ("PBE",) * 4
    np.testing.assert_array_equal(found.inputs["positions"], R)
    np.testing.assert_allclose(found.outputs["energy"], E[:, 0] * 0.0433641039)
    np.testing.assert_allclose(found.outputs["forces"], F * 0.0433641039)
    np.savez(tmp_path / "d.npz", **{**held, "e_unit": "furlong"})
    with pytest.raises(ConfigError, match="no unit 'furlong'"):
        read(tmp_path / "d.npz")


def test_forgetting_that_elements_are_shared_names_the_option(tmp_path: Path, rng) -> None:
    np.savez(tmp_path / "md.npz", z=[8, 1], R=rng.normal(size=(4, 2, 3)), E=np.zeros(4))
    with pytest.raises(ConfigError, match="shared="):
        read(tmp_path / "md.npz", inputs={"numbers": "z", "positions": "R"}, outputs=["E"])


def test_inputs_and_outputs_of_different_number_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3), y=np.zeros(2))
    with pytest.raises(ConfigError, match="3 inputs, 2 outputs"):
        read(tmp_path / "a.npz", inputs="x", outputs="y")


class Bomb:
    """Unpickling it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_objects_are_refused_and_not_unpickled(tmp_path: Path) -> None:
    fired = tmp_path / "fired"
    array = np.array([Bomb(fired)], dtype=object)
    np.savez(tmp_path / "a.npz", x=np.zeros(1), y=array)
    np.savez(tmp_path / "b.npz", **{"input.x": array, "output.y": np.zeros(1)})
    (tmp_path / "c.npz").write_bytes(pickle.dumps(Bomb(fired)))
    for name, options in (("a", {"inputs": "x", "outputs": "y"}), ("b", {}), ("c", {})):
        with pytest.raises(ConfigError, match="Python objects"):
            read(tmp_path / f"{name}.npz", **options)
    assert not fired.exists()
    with np.load(tmp_path / "a.npz", allow_pickle=True) as archive:
        assert archive["y"].shape == (1,)
    assert fired.exists(), "the bomb must work, or this test proves nothing"


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ConfigError, match="holds one array"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"input.x/offsets": np.array([0, 2, 4])}, "do not fit"),
        ({"input.x/offsets": np.array([0, 3])}, "do not fit"),
        ({"input.x/shapes": np.array([[1], [2]])}, "do not fit"),
        ({"input.x/shapes": np.array([[-1], [4]])}, "do not fit"),
        ({"input.x/shapes": None}, "lacks"),
    ],
)
def test_packed_arrays_that_do_not_fit_are_refused(tmp_path: Path, changed, said) -> None:
    arrays = {
        "input.x/data": np.arange(3.0),
        "input.x/offsets": np.array([0, 2, 3]),
        "input.x/shapes": np.array([[2], [1]]),
        "output.y": np.zeros(2),
    }
    np.savez(tmp_path / "good.npz", **arrays)
    assert [a.tolist() for a in read(tmp_path / "good.npz").inputs.columns["x"].items()] == [
        [0, 1],
        [2],
    ]
    kept = {name: array for name, array in {**arrays, **changed}.items() if array is not None}
    np.savez(tmp_path / "bad.npz", **kept)
    with pytest.raises(ConfigError, match=said):
        read(tmp_path / "bad.npz")
