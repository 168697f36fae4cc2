from __future__ import annotations

import numpy as np
import pytest

from querist.store.errors import DamagedFile, NotStored
from querist.store.versions import Versions


@pytest.fixture
def versions(tmp_path) -> Versions:
    versions = Versions(tmp_path / "weights")
    for version in (1, 2, 10):
        for member in ("m0", "m1"):
            versions.save(version, member, {"w": np.full(3, version)}, {"epoch": version})
    return versions


def test_a_part_comes_back(versions: Versions) -> None:
    digest = versions.save(11, "m0", {"w": np.ones(2)}, {"epoch": 3})
    loaded = versions.load(11, "m0", digest)
    assert loaded.arrays["w"].tolist() == [1, 1]
    assert (loaded.metadata, loaded.digest) == ({"epoch": 3}, digest)


def test_stored_versions_are_listed(versions: Versions) -> None:
    assert versions.stored() == {1: ["m0", "m1"], 2: ["m0", "m1"], 10: ["m0", "m1"]}
    assert versions.latest() == 10
    assert versions.path(12, "m0").name == "v000012.m0.safetensors"


def test_an_empty_folder_has_none(tmp_path) -> None:
    assert Versions(tmp_path / "none").stored() == {}
    assert Versions(tmp_path).latest() is None


def test_missing_parts_are_named_with_what_exists(versions: Versions) -> None:
    with pytest.raises(NotStored, match=r"version 3 of part 'm0'.*1: m0 m1, 2: m0 m1, 10"):
        versions.load(3, "m0")


def test_damage_is_noticed(versions: Versions) -> None:
    path = versions.path(2, "m0")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFile):
        versions.load(2, "m0")


def test_the_newest_and_the_protected_are_kept(versions: Versions) -> None:
    assert versions.prune(1, protect=frozenset({1})) == [2]
    assert list(versions.stored()) == [1, 10]
    assert versions.prune(5) == []
    with pytest.raises(ValueError, match="at least 1"):
        versions.prune(0)
    assert list(versions.stored()) == [1, 10]


def test_any_name_of_a_part_is_safe(versions: Versions) -> None:
    versions.save(12, "../walker 7", {"x": np.zeros(1)})
    assert versions.load(12, "../walker 7").arrays["x"].tolist() == [0]
    assert versions.stored()[12] == ["%2E.%2Fwalker%207"]
