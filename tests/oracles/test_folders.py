"""Folders of questions, and large outputs that stay in them."""

from __future__ import annotations

import errno
import json
import os
from hashlib import blake2b
from pathlib import Path

import pytest

from querist.core.errors import OracleRejected
from querist.oracles import folders


def test_a_lasting_folder_is_the_same_for_the_same_recipe(tmp_path: Path) -> None:
    first = folders.lasting_folder(tmp_path, "s", ("run", {"a": "b"}))
    assert folders.lasting_folder(tmp_path, "s", ("run", {"a": "b"})) == first
    assert folders.lasting_folder(tmp_path, "s", ("run", {"a": "c"})) != first
    assert folders.lasting_folder(tmp_path, "../evil", "run").parent == tmp_path


def test_the_newest_match_is_found(tmp_path: Path) -> None:
    import os

    assert folders.newest(tmp_path, "*.chk") is None
    for age, name in enumerate(("b.chk", "a.chk", "c.chk")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert folders.newest(tmp_path, "*.chk") == tmp_path / "b.chk"


def test_a_large_output_is_a_uri_and_what_is_known_lies_beside(tmp_path: Path) -> None:
    (tmp_path / "out dir").mkdir()
    (tmp_path / "out dir" / "a").write_bytes(b"12")
    (tmp_path / "field.h5").write_bytes(b"123")
    found = folders.kept_files(tmp_path, {"field": "*.h5", "all": "out*"})
    assert found == {
        "field": (tmp_path / "field.h5").as_uri(),
        "all": (tmp_path / "out dir").as_uri(),
    }
    about = json.loads((tmp_path / folders.KEPT).read_text())
    assert about["field"]["bytes"] == 3
    assert about["field"]["blake2b"] == blake2b(b"123", digest_size=16).hexdigest()
    assert about["all"] == {"uri": found["all"], "files": 1, "bytes": 2}
    with pytest.raises(OracleRejected, match=r"'no' should be one file .* but 0 do\."):
        folders.kept_files(tmp_path, {"no": "*.nothing"})
    with pytest.raises(OracleRejected, match=r"but 2 do: \["):
        folders.kept_files(tmp_path, {"no": "f*"})


def test_only_large_outputs_are_kept(tmp_path: Path) -> None:
    for name in ("deep/big.h5", "deep/log", "junk/a/b", "output.json", folders.KEPT, "tree/x/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folders.keep_only(tmp_path, {"big": "deep/*.h5", "tree": "tree"})
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["deep/big.h5", folders.KEPT, "tree/x/y"]
    assert not (tmp_path / "junk").exists()
    folders.keep_only(tmp_path, {})
    assert not tmp_path.exists()


@pytest.mark.parametrize("plain", [True, False])
def test_a_folder_moves_also_to_where_are_no_modes_and_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "this file system has no such thing")

    folder = tmp_path / "scratch" / "s"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "run.sh").write_text("true")
    (folder / "deep" / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("deep/run.sh")
    os.mkfifo(folder / "pipe")
    if plain:
        monkeypatch.setattr(Path, "symlink_to", refused)
        monkeypatch.setattr(os, "chmod", refused)
        monkeypatch.setattr(os, "utime", refused)
    place = folders.move(folder, tmp_path / "home", "s")
    assert not folder.exists()
    assert (place / "deep" / "run.sh").read_text() == "true"
    assert not (place / "pipe").exists()
    if not plain:
        assert (place / "link").readlink() == Path("deep/run.sh")
        assert os.access(place / "deep" / "run.sh", os.X_OK)
