from __future__ import annotations

import errno
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.store import files
from querist.store.errors import DamagedFile, StoreFailed, StoreFull
from querist.store.files import (
    atomic_write,
    name_new,
    read_regular,
    safe_name,
    sweep_temporaries,
    sync_folder,
)


def test_a_file_is_replaced_whole(tmp_path) -> None:
    path = tmp_path / "a.json"
    atomic_write(path, b"old")
    atomic_write(path, iter([b"ne", b"w"]))
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.json"]


def no_links(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, "this file system has no links")


@pytest.mark.parametrize("links", [True, False])
def test_a_whole_file_gets_a_name_that_nobody_has(tmp_path, monkeypatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(files.os, "link", no_links)
    for content in (b"first", b"second"):
        draft = tmp_path / "draft"
        draft.write_bytes(content)
        if content == b"first":
            name_new(draft, tmp_path / "name")
        else:
            with pytest.raises(FileExistsError):
                name_new(draft, tmp_path / "name")
    assert (tmp_path / "name").read_bytes() == b"first"
    assert sorted(os.listdir(tmp_path)) == ["draft", "name"]


@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, StoreFull), (errno.EIO, StoreFailed)])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, code: int, kind) -> None:
    path = tmp_path / "a.json"
    atomic_write(path, b"old")

    def fail(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files, "sync_file", fail)
    with pytest.raises(kind, match=r"a\.json"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_content_is_synced_before_the_name_appears(tmp_path, monkeypatch) -> None:
    path, seen = tmp_path / "a", []
    real_file, real_folder = files.sync_file, files.sync_folder
    monkeypatch.setattr(
        files, "sync_file", lambda fd: (seen.append(("file", path.exists())), real_file(fd))
    )
    monkeypatch.setattr(
        files, "sync_folder", lambda f: (seen.append(("folder", path.exists())), real_folder(f))
    )
    atomic_write(path, b"x")
    assert seen == [("file", False), ("folder", True)]


def test_a_file_system_that_cannot_sync_folders_is_accepted(tmp_path, monkeypatch) -> None:
    def refuse(fd: int) -> None:
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "fsync", refuse)
    sync_folder(tmp_path)

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no"):
        sync_folder(tmp_path)


def test_only_regular_files_of_bounded_size_are_read(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert read_regular(tmp_path / "file", 5) == b"12345"
    for name in ("link", "pipe"):
        with pytest.raises(DamagedFile, match="not a regular file"):
            read_regular(tmp_path / name)
    with pytest.raises(DamagedFile, match="at most 4"):
        read_regular(tmp_path / "file", 4)
    with pytest.raises((DamagedFile, IsADirectoryError)):
        read_regular(tmp_path / "folder")


@given(st.text(st.characters(), max_size=200))
def test_safe_names_are_safe(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_%-][A-Za-z0-9._%-]{0,119}", name)


@given(st.lists(st.text(max_size=60) | st.text("./%E2", max_size=200), unique=True, max_size=30))
def test_safe_names_differ_where_the_texts_do(texts: list[str]) -> None:
    assert len({safe_name(text) for text in texts}) == len(texts)


def test_plain_names_stay_readable() -> None:
    assert safe_name("label-12.a_b") == "label-12.a_b"
    assert safe_name("../x") == "%2E.%2Fx"


def test_old_temporary_files_are_swept_and_young_ones_left(tmp_path) -> None:
    (tmp_path / "sub").mkdir()
    old, young = tmp_path / "sub" / ".a.1.tmp", tmp_path / ".b.2.tmp"
    for path in (old, young, tmp_path / "c.tmp"):
        path.touch()
    os.utime(old, (1, 1))
    os.utime(tmp_path / "c.tmp", (1, 1))
    assert sweep_temporaries(tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == [".b.2.tmp", "c.tmp", "sub"]
    assert os.listdir(tmp_path / "sub") == []
