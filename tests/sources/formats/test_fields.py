"""Choosing fields, joining files, replacing files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats.fields import choose, join, labelled, replacing

PATH = Path("a.npz")


def test_prefixed_names_come_before_the_schema() -> None:
    keys = ["input.x", "output.y", "energy", "numbers"]
    assert choose(PATH, keys, None, None) == ({"x": "input.x"}, {"y": "output.y"})


def test_names_of_the_schema_are_known() -> None:
    keys = ["energy", "numbers", "positions", "mass"]
    assert choose(PATH, keys, None, None) == (
        {"numbers": "numbers", "positions": "positions"},
        {"energy": "energy"},
    )


def test_names_may_be_mapped_listed_or_one() -> None:
    keys = ["R", "E", "input.z"]
    assert choose(PATH, keys, {"positions": "R"}, ["E"]) == ({"positions": "R"}, {"E": "E"})
    assert choose(PATH, keys, "z", "E") == ({"z": "input.z"}, {"E": "E"})


def test_a_missing_name_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"no 'Forces'; it has .*Did you mean 'forces'"):
        choose(PATH, ["x", "forces"], ["x"], ["Forces"])


@pytest.mark.parametrize(("keys", "kind"), [(["a", "energy"], "input"), (["numbers"], "output")])
def test_nothing_known_asks_for_names(keys: list[str], kind: str) -> None:
    with pytest.raises(ConfigError, match=f"what is an {kind}.*{kind}s="):
        choose(PATH, keys, None, None)


def test_an_unknown_purpose_is_refused() -> None:
    batch = Batch.stack(x=[1.0])
    with pytest.raises(ConfigError, match=r"no purpose 'test'.*holdout"):
        labelled(PATH, batch, batch, ["test"])


def test_atoms_get_the_dtypes_of_the_schema() -> None:
    inputs = Batch.stack(
        numbers=np.ones((2, 1), np.uint8),
        positions=np.zeros((2, 1, 3), np.float32),
        charge=np.ones((2, 1), np.int8),
    )
    found = labelled(PATH, inputs, Batch.stack(energy=np.ones((2, 1), np.float32)))
    dtypes = {name: column.data.dtype for name, column in found.inputs.columns.items()}
    assert dtypes == {"numbers": np.int64, "positions": np.float64, "charge": np.float64}
    assert found.outputs["energy"].shape == (2,)
    assert found.inputs["charge"].shape == (2,)


def test_elements_that_are_no_whole_numbers_are_refused() -> None:
    inputs = Batch.stack(numbers=[[1.5]], positions=np.zeros((1, 1, 3)))
    with pytest.raises(ConfigError, match="'numbers' should hold whole numbers"):
        labelled(PATH, inputs, Batch.stack(energy=[1.0]))


def test_inputs_of_tables_may_have_gaps() -> None:
    found = labelled(PATH, Batch.stack(x=[np.nan, 1.0]), Batch.stack(y=[1.0, 2.0]))
    assert np.isnan(found.inputs["x"][0])


def test_joining_fills_optional_fields_of_atoms(molecules, charged, crystals) -> None:
    energies = [
        Dataset(d.inputs, Batch({"energy": d.outputs.columns["energy"]}), d.purposes, d.levels)
        for d in (molecules, charged, crystals)
    ]
    joined = join(energies, ["a", "b", "c"])
    assert len(joined) == len(molecules) + len(charged) + len(crystals)
    assert list(joined.inputs["charge"]) == [0] * 5 + [0, -1, 2] + [0] * 4
    assert list(joined.inputs["multiplicity"]) == [1] * 5 + [1, 1, 3] + [1] * 4
    assert list(joined.inputs["pbc"].any(axis=1)) == [False] * 8 + [True] * 4
    assert (joined.inputs["cell"][8:10] == crystals.inputs["cell"][:2]).all()
    assert joined.purposes[:5] == molecules.purposes
    assert joined.levels[:5] == molecules.levels


def test_files_with_other_labels_are_not_joined(molecules, crystals) -> None:
    with pytest.raises(ConfigError, match=r"a\.xyz has the outputs .* but b\.xyz has .*'stress'"):
        join([molecules, crystals], ["a.xyz", "b.xyz"])


def test_files_with_other_inputs_are_not_joined() -> None:
    parts = [Dataset(Batch.stack(**{n: [1.0]}), Batch.stack(y=[1.0])) for n in "ab"]
    with pytest.raises(ConfigError, match="has the inputs"):
        join(parts, ["a", "b"])


def fail_after(path: Path, begin) -> None:
    with replacing(path) as hidden:
        begin(hidden)
        raise KeyError


def test_a_file_is_replaced_when_all_went_well(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with replacing(path) as hidden:
        hidden.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(KeyError):
        fail_after(path, lambda hidden: hidden.write_text("half"))
    assert (path.read_text(), os.listdir(tmp_path)) == ("new", ["a"])


def test_a_folder_half_made_is_removed(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        fail_after(tmp_path / "a", lambda hidden: (hidden / "b").mkdir(parents=True))
    assert os.listdir(tmp_path) == []
