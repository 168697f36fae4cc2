"""All schemes behind one object: which source, patterns, retries."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.sources.access import CLOSED, Access
from querist.sources.inline import data_uri
from querist.sources.opening import Sources
from querist.sources.retrying import Retry
from querist.sources.source import Entry, Forbidden, MissingItem, SourceError, Unreachable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ["a/1.jpg", "a/2.png", "b/c/3.jpg", "4.jpg", "[5].jpg"]:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["4.jpg", "[5].jpg"]),
        ("*/*.jpg", ["a/1.jpg"]),
        ("**/*.jpg", ["4.jpg", "[5].jpg", "a/1.jpg", "b/c/3.jpg"]),
        ("a/?.*", ["a/1.jpg", "a/2.png"]),
        ("a/[!1].*", ["a/2.png"]),
        ("[5].jpg", ["[5].jpg"]),
        ("b/**", ["b/c/3.jpg"]),
    ],
)
def test_patterns(folder: Path, pattern: str, found: list[str]) -> None:
    with Sources() as sources:
        listed = [
            sources.read(entry.uri).decode() for entry in sources.entries(f"{folder}/{pattern}")
        ]
    assert listed == found


def test_a_pattern_that_matches_nothing_is_an_error(folder: Path) -> None:
    with Sources() as sources, pytest.raises(MissingItem, match=r"Nothing matches .*\*\.gif"):
        list(sources.entries(f"{folder}/*.gif"))


@pytest.mark.parametrize("name", ["photos [2024]", "what?", "100 %", "*", "[a-z]"])
def test_a_folder_that_is_there_by_the_name_is_no_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    (folder / "in").mkdir(parents=True)
    for file in ["1.jpg", "2.png", "in/3.jpg"]:
        (folder / file).write_text(file)
    monkeypatch.chdir(folder)

    def listed(uri: str) -> list[str]:
        return [sources.read(entry.uri).decode() for entry in sources.entries(uri)]

    with Sources() as sources, Sources(Access(roots=(folder,))) as narrow:
        for uri in [str(folder), folder.as_uri(), ".", f"../{name}/"]:
            assert listed(uri) == ["1.jpg", "2.png", "in/3.jpg"]
        for uri in [f"{folder}/*.jpg", "*.jpg", f"{folder.as_uri()}/?.jpg", "../**/1.jpg"]:
            assert listed(uri) == ["1.jpg"]
        assert [entry.uri for entry in narrow.entries("**/*.jpg")] == [
            entry.uri for entry in sources.entries("**/*.jpg")
        ]
        with pytest.raises(MissingItem, match=r"There is no file .*gone\.jpg"):
            listed("gone.jpg")
        with pytest.raises(MissingItem, match=r"There is no file .*gone"):
            listed("gone/*.jpg")


def test_folders_of_patterns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with Sources() as sources:
        for uri in ["?/1.jpg", "[a-c]/1.jpg", (folder / "?" / "1.jpg").as_uri()]:
            assert [sources.read(entry.uri) for entry in sources.entries(uri)] == [b"a/1.jpg"]


def test_inline_items() -> None:
    with Sources() as sources:
        for data in [b"", b"hello, world", bytes(range(256))]:
            for media in ["text/plain", "image/png"]:
                uri = data_uri(data, media)
                assert sources.read(uri) == data
                assert sources.stat(uri) == Entry(uri, len(data), "inline")
        with pytest.raises(SourceError, match="no base64"):
            sources.read("data:;base64,a")
        with pytest.raises(SourceError, match="a comma"):
            sources.read("data:abc")


def test_an_unknown_scheme_is_refused_with_the_nearest() -> None:
    with Sources() as sources, pytest.raises(SourceError, match="Did you mean 'file'"):
        sources.read("fille:///x")


def test_the_closed_policy_reads_nothing_local(folder: Path) -> None:
    with Sources(CLOSED) as sources:
        with pytest.raises(Forbidden):
            sources.read(str(folder / "4.jpg"))
        with pytest.raises(Forbidden, match="the scheme 'memory'"):
            sources.read("memory://x")
    with Sources(Access(roots=(folder,))) as sources:
        assert sources.read(str(folder / "4.jpg")) == b"4.jpg"


class Flaky:
    """Fails with these errors in turn, then answers."""

    concurrency = 1

    def __init__(self, errors: list[SourceError]) -> None:
        self.errors, self.calls = errors, 0

    def read(self, uri: str, limit: int | None = None) -> bytes:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return b"read"

    def entries(self, uri: str, after: str = ""):
        for name in ["a", "b", "c"]:
            if name > after:
                yield Entry(name, 1, "")
                self.calls += 1
                if self.errors:
                    raise self.errors.pop(0)

    def close(self) -> None:
        pass


def with_flaky(errors: list[SourceError]) -> tuple[Sources, Flaky]:
    sources = Sources(retry=Retry(tries=3, first=0.0))
    flaky = Flaky(errors)
    sources._opened["file"] = flaky
    return sources, flaky


def test_transient_errors_are_tried_again() -> None:
    sources, flaky = with_flaky([Unreachable("1"), Unreachable("2")])
    assert sources.read("x") == b"read"
    assert flaky.calls == 3


def test_the_last_error_is_raised_when_all_tries_are_used() -> None:
    sources, flaky = with_flaky([Unreachable(str(n)) for n in range(9)])
    with pytest.raises(Unreachable, match="2"):
        sources.read("x")
    assert flaky.calls == 3


def test_lasting_errors_are_not_tried_again() -> None:
    sources, flaky = with_flaky([MissingItem("no")])
    with pytest.raises(MissingItem):
        sources.read("x")
    assert flaky.calls == 1


def test_a_listing_goes_on_where_it_stopped() -> None:
    sources, _ = with_flaky([Unreachable("1"), Unreachable("2"), Unreachable("3")])
    assert [entry.uri for entry in sources.entries("x")] == ["a", "b", "c"]


def test_closed_sources_say_so() -> None:
    sources = Sources()
    sources.close()
    sources.close()
    with pytest.raises(SourceError, match="closed"):
        sources.read("x")
