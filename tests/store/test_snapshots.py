from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from store_strategies import json_objects, named_arrays, same_array

from querist.store import files
from querist.store.errors import NotStorable, StoreFailed
from querist.store.snapshots import Snapshots


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_objects, named_arrays)
def test_a_snapshot_comes_back(tmp_path, state, arrays) -> None:
    snapshots = Snapshots(tmp_path, sync=False)
    snapshots.write(5, state, arrays)
    got = snapshots.latest()
    assert got is not None
    assert (got.seq, got.state) == (5, state)
    assert set(got.arrays) == set(arrays)
    assert all(same_array(got.arrays[name], arrays[name]) for name in arrays)


def test_there_may_be_none(tmp_path) -> None:
    assert Snapshots(tmp_path / "none").latest() is None


def test_the_two_newest_are_kept(tmp_path) -> None:
    snapshots = Snapshots(tmp_path)
    for seq in (1, 20, 300):
        snapshots.write(seq, {"seq": seq})
    assert snapshots.sequences() == [300, 20]
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("how", ["flip", "cut", "empty", "renamed"])
def test_a_damaged_one_is_passed_over_for_the_one_before(tmp_path, how: str) -> None:
    snapshots = Snapshots(tmp_path)
    snapshots.write(10, {"n": 10}, {"x": np.arange(10)})
    path = snapshots.write(20, {"n": 20}, {"x": np.arange(20)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "renamed":
        path = path.rename(tmp_path / "000000000030.safetensors")
    else:
        path.write_bytes({"flip": content, "cut": content[:-1], "empty": b""}[how])
    again = Snapshots(tmp_path)
    got = again.latest()
    assert got is not None
    assert (got.seq, got.state, got.arrays["x"].size) == (10, {"n": 10}, 10)
    assert path.name in again.damaged
    again.write(40, {"n": 40})
    assert again.sequences() == [40, 10]  # the damaged one does not take the place of a good one


def test_when_all_are_damaged_there_is_none(tmp_path) -> None:
    snapshots = Snapshots(tmp_path)
    for seq in (1, 2):
        snapshots.write(seq, {}).write_bytes(b"")
    assert snapshots.latest() is None
    assert len(snapshots.damaged) == 2


def test_snapshots_beyond_a_journal_that_was_cut_are_not_used(tmp_path) -> None:
    snapshots = Snapshots(tmp_path)
    for seq in (10, 20):
        snapshots.write(seq, {"n": seq})
    got = snapshots.latest(up_to=19)
    assert got is not None
    assert got.seq == 10
    snapshots.discard_after(19)
    assert snapshots.sequences() == [10]


def test_a_failed_write_leaves_the_older_ones(tmp_path, monkeypatch) -> None:
    snapshots = Snapshots(tmp_path)
    for seq in (1, 2):
        snapshots.write(seq, {"n": seq})

    def fail(fd: int) -> None:
        raise OSError(5, "no")

    monkeypatch.setattr(files, "sync_file", fail)
    with pytest.raises(StoreFailed):
        snapshots.write(3, {})
    with pytest.raises(NotStorable):
        snapshots.write(3, {"x": {1}})
    assert snapshots.sequences() == [2, 1]
    assert len(os.listdir(tmp_path)) == 2
