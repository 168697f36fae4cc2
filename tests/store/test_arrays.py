from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from safetensors.numpy import load_file
from store_strategies import json_objects, named_arrays, same_array

from querist.store.arrays import load_arrays, save_arrays
from querist.store.errors import DamagedFile, NotStorable


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(named_arrays, json_objects)
def test_arrays_and_metadata_come_back(tmp_path, arrays, metadata) -> None:
    path = tmp_path / "a.safetensors"
    digest = save_arrays(path, arrays, metadata, sync=False)
    loaded = load_arrays(path, digest)
    assert loaded.metadata == metadata
    assert loaded.digest == digest
    assert set(loaded.arrays) == set(arrays)
    assert all(same_array(loaded.arrays[name], arrays[name]) for name in arrays)
    assert not any(array.flags.writeable for array in loaded.arrays.values())


def test_other_programs_can_read_the_usual_dtypes(tmp_path) -> None:
    arrays = {code: np.arange(4).reshape(2, 2).astype(code) for code in "?bBhHiIqQefd"}
    arrays["scalar"] = np.array(2.5)
    save_arrays(tmp_path / "w.safetensors", arrays)
    other = load_file(tmp_path / "w.safetensors")
    assert all(same_array(other[name], arrays[name]) for name in arrays)


def test_equal_content_has_an_equal_digest(tmp_path) -> None:
    arrays = {"b": np.ones(3), "a": np.zeros((2, 2))}
    first = save_arrays(tmp_path / "1", arrays, {"k": 1})
    second = save_arrays(tmp_path / "2", dict(reversed(arrays.items())), {"k": 1})
    assert first == second != save_arrays(tmp_path / "3", arrays, {"k": 2})


def test_any_changed_or_missing_byte_is_noticed(tmp_path) -> None:
    path = tmp_path / "a"
    save_arrays(path, {"x": np.arange(3), "s": np.array(["a"])}, {"k": "0" * 64})
    content = path.read_bytes()
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 0x04
        for damaged in (bytes(flipped), content[:at]):
            path.write_bytes(damaged)
            with pytest.raises(DamagedFile, match="a is damaged"):
                load_arrays(path)


def test_another_sound_file_is_noticed_by_its_digest(tmp_path) -> None:
    digest = save_arrays(tmp_path / "a", {"x": np.zeros(1)})
    save_arrays(tmp_path / "a", {"x": np.ones(1)})
    with pytest.raises(DamagedFile, match="not the file that was asked for"):
        load_arrays(tmp_path / "a", digest)


def test_foreign_safetensors_are_refused_with_a_sentence(tmp_path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(1)}, tmp_path / "a")
    with pytest.raises(DamagedFile, match="not written by Querist"):
        load_arrays(tmp_path / "a")


@pytest.mark.parametrize(
    "arrays", [{"x": np.array([None])}, {"__metadata__": np.zeros(1)}, {"\udc80": np.zeros(1)}]
)
def test_what_cannot_be_stored_leaves_no_file(tmp_path, arrays) -> None:
    with pytest.raises(NotStorable):
        save_arrays(tmp_path / "a", arrays)
    assert os.listdir(tmp_path) == []
