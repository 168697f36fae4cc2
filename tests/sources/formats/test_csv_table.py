"""CSV: scalars and short vectors, other programs' tables, what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import read, write


def test_scalars_and_vectors_come_back_exactly(tmp_path: Path, rng, same) -> None:
    inputs = Batch.stack(
        x=rng.normal(size=(3, 2)) * 1e-9,
        count=np.array([1, -2, 3]),
        flag=np.array([True, False, True]),
        name=np.array(["a, b", 'say "é"', "two\nlines"]),
        one=rng.normal(size=(3, 1)),
    )
    outputs = Batch.stack(y=np.array([1.0, 2.0, 0.1]), of_two=np.array([[1, 2]] * 3))
    dataset = Dataset(inputs, outputs, ("train", "holdout", "audit"), ("", "PBE", "1.50"))
    write(tmp_path / "a.csv", dataset)
    same(read(tmp_path / "a.csv"), dataset)
    head = (tmp_path / "a.csv").read_text().partition("\n")[0]
    assert head == (
        "input.x_0,input.x_1,input.count,input.flag,input.name,input.one_0,"
        "output.y,output.of_two_0,output.of_two_1,purpose,level"
    )


def test_uris_come_back(tmp_path: Path) -> None:
    inputs = Batch(Batch.stack(x=[1.0, 2.0]).columns, uris=("s3://a", None))
    write(tmp_path / "a.csv", Dataset(inputs, Batch.stack(y=[1, 2])))
    assert read(tmp_path / "a.csv").inputs.uris == ("s3://a", None)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((2, 3, 3)), r"'input.x' has the shape \(3, 3\); write npz or parquet"),
        (np.zeros((2, 65)), r"at most 64 values, but 'input.x' has the shape \(65,\)"),
        (np.zeros((2, 0)), r"has the shape \(0,\)"),
        (np.zeros(2, complex), r"cannot hold 'input.x' of dtype complex128"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, x: np.ndarray, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        write(tmp_path / "a.csv", Dataset(Batch.stack(x=x), Batch.stack(y=[1.0, 2.0])))
    assert not [*tmp_path.iterdir()]


def test_vectors_of_several_lengths_are_refused(tmp_path: Path, molecules) -> None:
    with pytest.raises(ConfigError, match=r"'input.numbers' differs in shape"):
        write(tmp_path / "a.csv", molecules)


def test_tables_of_other_programs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffv_0,v_1,gap,E\r\n1,2.5,3,1e3\r\n4,5,,2\r\n".encode())
    found = read(path, inputs={"v": "v", "g": "gap"}, outputs={"y": "E"})
    assert found.inputs["v"].tolist() == [[1, 2.5], [4, 5]]
    np.testing.assert_equal(found.inputs["g"], [3, np.nan])
    assert found.outputs["y"].tolist() == [1000, 2]
    assert read(path, inputs=["v_1"], outputs=["E"]).inputs["v_1"].tolist() == [2.5, 5]
    with pytest.raises(ConfigError, match="sample 1: 'gap' is not finite"):
        read(path, inputs=["v"], outputs=["gap"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"input.x,output.y\n1,2\n1\n", "line 3 has 1 values, and the header 2 names"),
        (b"input.x,input.x\n1,2\n", "names 'input.x' twice"),
        (b"input.x,output.y\n\xff,2\n", "cannot be read as CSV"),
        (b"this is\nno such file\n", "nothing in .* says what is an input"),
        (b"", "nothing in .* says what is an input"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(ConfigError, match=said):
        read(tmp_path / "a.csv")
