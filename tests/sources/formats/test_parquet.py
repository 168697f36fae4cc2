"""Parquet: any arrays, other programs' files, nulls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import read, write

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def test_what_was_written_comes_back_exactly(tmp_path: Path, molecules, crystals, same) -> None:
    for dataset in (molecules, crystals):
        write(tmp_path / "a.parquet", dataset)
        same(read(tmp_path / "a.parquet"), dataset)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "u1", "?", "U4"])
@pytest.mark.parametrize("ragged", [False, True])
def test_dtypes_and_shapes_come_back(tmp_path: Path, dtype: str, ragged: bool, same) -> None:
    shapes = [(0, 2), (3, 1), (2, 2)] if ragged else [(2, 2)] * 3
    items = [np.arange(int(np.prod(s))).reshape(s) % 2 for s in shapes]
    inputs = Batch.of([{"x": item.astype(dtype), "label": "é" * i} for i, item in enumerate(items)])
    dataset = Dataset(inputs, Batch.stack(y=np.array([1, 0, 1]).astype(dtype)))
    write(tmp_path / "a.parquet", dataset)
    same(read(tmp_path / "a.parquet"), dataset)


def test_uris_come_back(tmp_path: Path) -> None:
    inputs = Batch(Batch.stack(x=[1.0, 2.0]).columns, uris=("s3://a", None))
    write(tmp_path / "a.parquet", Dataset(inputs, Batch.stack(y=[1, 2])))
    found = read(tmp_path / "a.parquet").inputs
    assert found.uris == ("s3://a", None)
    assert set(found.columns) == {"x"}


def test_a_dtype_without_counterpart_is_refused(tmp_path: Path) -> None:
    dataset = Dataset(Batch.stack(x=[1j]), Batch.stack(y=[1.0]))
    with pytest.raises(ConfigError, match=r"cannot hold 'input.x' of dtype complex128.*npz"):
        write(tmp_path / "a.parquet", dataset)


def save(path: Path, **columns: list) -> Path:
    parquet.write_table(arrow.table(columns), path)
    return path


def test_nested_lists_of_other_programs_are_arrays(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.parquet",
        numbers=[[8, 1], [1]],
        positions=[[[0.0, 0, 0], [0, 0, 1]], [[1.0, 2, 3]]],
        energy=[1.0, 2.0],
        smiles=["O", "[H]"],
    )
    found = read(path)
    assert [row.tolist() for row in found.inputs.columns["positions"].items()] == [
        [[0, 0, 0], [0, 0, 1]],
        [[1, 2, 3]],
    ]
    assert found.outputs["energy"].tolist() == [1, 2]
    texts = read(path, inputs={"molecule": "smiles"}, outputs="energy")
    assert texts.inputs["molecule"].tolist() == ["O", "[H]"]


def test_several_row_groups_are_one(tmp_path: Path) -> None:
    table = arrow.table({"x": [[float(i)] * i for i in range(7)], "y": list(range(7))})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    found = read(tmp_path / "a.parquet", inputs="x", outputs="y")
    lengths = [len(item) for item in found.inputs.columns["x"].items()]
    assert lengths == list(range(7))
    assert found.inputs.columns["x"].item(6).tolist() == [6.0] * 6


def test_fixed_size_lists_are_arrays(tmp_path: Path) -> None:
    lists = arrow.array([[1.0, 2], [3, 4]], arrow.list_(arrow.float64(), 2))
    parquet.write_table(arrow.table({"x": lists, "y": [1, 2]}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", inputs="x", outputs="y")
    assert found.inputs["x"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([1.0, None], "1 values of 'x' are missing"),
        ([[1.0], None], "1 values of 'x' are missing"),
        ([[1.0, None], [2.0]], "1 values of 'x' are missing"),
        ([[[1.0, 2], [3]], [[1.0]]], "are no arrays"),
        ([{"a": 1}, {"a": 2}], "not numbers or texts"),
        ([b"a", b"b"], "not numbers or texts"),
    ],
)
def test_values_that_are_no_arrays_are_refused(tmp_path: Path, x: list, said: str) -> None:
    path = save(tmp_path / "a.parquet", x=x, y=[1.0, 2.0])
    with pytest.raises(ConfigError, match=said):
        read(path, inputs="x", outputs="y")


def test_a_shape_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", **{"x": [[1.0, 2]], "x.shape": [[3]], "y": [1]})
    with pytest.raises(ConfigError, match="does not fit"):
        read(path, inputs="x", outputs="y")
