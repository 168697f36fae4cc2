"""Local files: listing, reading, odd names, links, special files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from querist.sources.access import Access
from querist.sources.local import LocalSource
from querist.sources.source import Forbidden, MissingItem, SourceError, TooLarge
from querist.sources.uris import file_uri

ODD = ["a b", "ä", "100%", "per%20cent", "a\nb", "tab\t", "#x", "q?y", "[z]", "\udcff", "-", "~"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ["b/2.txt", "b/1.txt", "a.txt", "b.txt", "b-c/3.txt", ".hidden/x", "b/.hidden"]:
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "data"


def names(folder: Path, after: str = "", **access) -> list[str]:
    prefix = file_uri(os.fsencode(folder)) + "/"
    found = LocalSource(Access(**access)).entries(str(folder), after)
    return [entry.uri.removeprefix(prefix) for entry in found]


def test_files_are_listed_in_the_order_of_their_paths(folder: Path) -> None:
    assert names(folder) == ["a.txt", "b-c/3.txt", "b.txt", "b/1.txt", "b/2.txt"]


def test_a_listing_goes_on_after_any_item(folder: Path) -> None:
    every = names(folder)
    for n, name in enumerate(every):
        assert names(folder, file_uri(os.fsencode(folder / name))) == every[n + 1 :]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_listed_and_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    source = LocalSource()
    (entry,) = source.entries(str(tmp_path))
    assert entry.uri.isascii()
    assert entry.uri.isprintable()
    assert source.read(entry.uri) == b"x"
    assert source.read(str(tmp_path / name)) == b"x"
    assert source.stat(entry.uri) == entry


def test_a_version_changes_with_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    os.utime(file, ns=(1, 1))
    first = LocalSource().stat(str(file)).version
    os.utime(file, ns=(1, 2))
    second = LocalSource().stat(str(file)).version
    file.write_bytes(b"12")
    os.utime(file, ns=(1, 2))
    assert len({first, second, LocalSource().stat(str(file)).version}) == 3


def test_links_are_followed_but_not_into_themselves(folder: Path) -> None:
    (folder / "b" / "up").symlink_to(folder)
    (folder / "link.txt").symlink_to(folder / "a.txt")
    (folder / "nowhere").symlink_to("nowhere")
    assert "link.txt" in names(folder)
    assert "b/up" in names(folder)
    assert "nowhere" in names(folder)
    with pytest.raises(MissingItem, match="a folder"):
        LocalSource().read(str(folder / "b" / "up"))


def test_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        for source in (LocalSource(), LocalSource(Access(roots=(tmp_path,)))):
            assert [entry.size for entry in source.entries(str(tmp_path))] == [None, None]
            with pytest.raises(Forbidden, match="a pipe"):
                source.read(str(tmp_path / "pipe"))
            with pytest.raises(SourceError):
                source.read(str(tmp_path / "s"))
    with pytest.raises(Forbidden, match="a device"):
        LocalSource().read("/dev/zero")


def test_a_limit_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert LocalSource().read(str(tmp_path / "a"), 5) == b"12345"
    with pytest.raises(TooLarge, match="5 bytes, and the limit is 4"):
        LocalSource().read(str(tmp_path / "a"), 4)
    with pytest.raises(TooLarge):
        LocalSource(Access(max_bytes=4)).read(str(tmp_path / "a"), 100)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_file_that_tells_no_size_is_read_to_its_end() -> None:
    assert LocalSource().read("/proc/self/stat").endswith(b"\n")
    with pytest.raises(TooLarge, match="has more"):
        LocalSource().read("/proc/self/stat", 3)


@pytest.mark.parametrize("uri", ["{}/none", "file://{}/none", "{}/a.txt/none"])
def test_a_missing_file_is_a_sentence(folder: Path, uri: str) -> None:
    with pytest.raises(MissingItem, match=r"There is no file /.*none\."):
        LocalSource().read(uri.format(folder))


@pytest.mark.parametrize("by_name", [True, False])
def test_nothing_outside_of_the_roots_is_read(folder: Path, tmp_path: Path, by_name: bool) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    (tmp_path / "data-2").mkdir()
    (tmp_path / "data-2" / "x").write_text("s")
    (folder / "out").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    source = LocalSource(Access(roots=(folder,)))
    source._guard._by_name &= by_name
    assert source.read(str(folder / "a.txt")) == b"a.txt"
    for path in ["out", "up/secret", "../secret", "b/../../secret", "../data-2/x"]:
        with pytest.raises(Forbidden, match="outside of the folders"):
            source.read(str(folder / path))
    found = {entry.uri.rpartition("/")[2]: entry.size for entry in source.entries(str(folder))}
    assert found["out"] is None
    assert found["up"] is None
    assert "secret" not in found


def test_a_root_may_itself_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    source = LocalSource(Access(roots=(tmp_path / "link",)))
    assert source.read(str(tmp_path / "link" / "a.txt")) == b"a.txt"
    assert source.read(str(folder / "a.txt")) == b"a.txt"


@pytest.mark.parametrize("uri", ["file://host/a", "file:a", "file:///a%00b", "a\0b"])
def test_unusable_uris_are_refused(uri: str) -> None:
    with pytest.raises(SourceError):
        LocalSource().read(uri)


def test_other_spellings_of_file_uris(folder: Path) -> None:
    for uri in [f"file:{folder}/a.txt", f"file://localhost{folder}/a.txt"]:
        assert LocalSource().read(uri) == b"a.txt"
