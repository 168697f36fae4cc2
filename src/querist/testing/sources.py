"""The contract of a source, as checks that any implementation must pass.

Put every implementation in the parameter list::

    @pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_contract(check, case, tmp_path):
        with case.serve(FILES, tmp_path) as (source, url):
            check(source, url)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

from querist.sources.source import Entry, MissingItem, Source, SourceError, SupportsFetch, TooLarge

FILES: Mapping[str, bytes] = MappingProxyType(
    {
        name: name.encode()
        for name in (
            "a.txt",
            "a/1.txt",
            "a/b/2.txt",
            "a-b/3.txt",
            "b c.txt",
            "100%.txt",
            "p+q.txt",
            "#1.txt",
            "q?.txt",
            "ä.txt",
            "z/deep/er/file.bin",
        )
    }
    | {"empty": b"", "large": b"0123456789" * 30_000, ".hidden": b"h", "a/.h/x": b"h"}
)
"""What a case serves: odd names, an empty file, one of several pieces, two hidden."""

VISIBLE = sorted((name for name in FILES if "h" not in (name[1:2], name[3:4])), key=str.encode)


@dataclass(frozen=True, slots=True)
class SourceCase:
    """One implementation under test.

    Attributes:
        name: For the test's id.
        serve: ``(files, empty folder)`` -> a context manager that gives a source of these files,
            and the URI of their folder with a slash at the end.
    """

    name: str
    serve: Callable[[Mapping[str, bytes], Path], AbstractContextManager[tuple[Source, str]]]


def _names(source: Source, url: str, uri: str, after: str = "") -> list[str]:
    return [_name(entry, url) for entry in source.entries(uri, after)]


def _name(entry: Entry, url: str) -> str:
    assert entry.uri.startswith(url), (entry.uri, url)
    rest = entry.uri[len(url) :]
    return rest if url.startswith("s3:") else unquote(rest)


def lists_all_in_order(source: Source, url: str) -> None:
    """All that is not hidden, in the order of the names' bytes."""
    assert _names(source, url, url) == VISIBLE


def lists_the_same_twice(source: Source, url: str) -> None:
    """Entries do not change by themselves."""
    assert list(source.entries(url)) == list(source.entries(url))


def goes_on_after_any_item(source: Source, url: str) -> None:
    """A listing that stopped can be gone on with."""
    entries = list(source.entries(url))
    for n, entry in enumerate(entries):
        assert list(source.entries(url, entry.uri)) == entries[n + 1 :]


def lists_a_folder_with_or_without_a_slash(source: Source, url: str) -> None:
    """``a`` is the folder, and neither ``a.txt`` nor ``a-b``."""
    expected = ["a/1.txt", "a/b/2.txt"]
    assert _names(source, url, url + "a/") == expected
    if not url.startswith("http"):  # where only a slash tells a folder
        assert _names(source, url, url + "a") == expected


def lists_an_item_itself(source: Source, url: str) -> None:
    """The URI of an item lists that item."""
    for entry in source.entries(url):
        assert [found.uri for found in source.entries(entry.uri)] == [entry.uri]
        assert list(source.entries(entry.uri, entry.uri)) == []


def reads_what_is_there(source: Source, url: str) -> None:
    """Every byte of every item."""
    for entry in source.entries(url):
        assert source.read(entry.uri) == FILES[_name(entry, url)]


def tells_sizes(source: Source, url: str) -> None:
    """In a listing where the source can, and by ``stat``."""
    for entry in source.entries(url):
        size = len(FILES[_name(entry, url)])
        assert entry.size in (None, size)
        told = source.stat(entry.uri)
        assert (told.uri, told.size) == (entry.uri, size)
        assert entry.version in ("", told.version)


def fetches_with_the_version(source: Source, url: str) -> None:
    """Where a read tells the version too, it is that of ``stat``."""
    if isinstance(source, SupportsFetch):
        for entry in source.entries(url):
            told = source.stat(entry.uri).version
            assert source.fetch(entry.uri) == (FILES[_name(entry, url)], told)


def keeps_the_limit(source: Source, url: str) -> None:
    """To the byte."""
    size = len(FILES["large"])
    assert len(source.read(url + "large", size)) == size
    for limit in (size - 1, 1, 0):
        _expect(TooLarge, lambda limit=limit: source.read(url + "large", limit))  # type: ignore[misc]
    assert source.read(url + "empty", 0) == b""


def says_what_is_missing(source: Source, url: str) -> None:
    """An item, a folder's item, a folder taken for an item."""
    for name in ("none", "a/none", "none/none"):
        _expect(MissingItem, lambda name=name: source.read(url + name))  # type: ignore[misc]
        _expect(MissingItem, lambda name=name: source.stat(url + name))  # type: ignore[misc]
    _expect(MissingItem, lambda: list(source.entries(url + "none")))
    if not url.startswith("http"):  # where a folder is a page like another
        _expect(MissingItem, lambda: source.read(url + "a/"))


def reads_in_many_threads(source: Source, url: str) -> None:
    """At once, without mixing them up."""
    entries = list(source.entries(url)) * 4
    wrong: list[str] = []
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not entries:
                    return
                entry = entries.pop()
            if source.read(entry.uri) != FILES[_name(entry, url)]:
                wrong.append(entry.uri)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert (wrong, entries) == ([], [])


def says_how_many_reads_at_once(source: Source, url: str) -> None:
    """A number of threads worth starting."""
    assert url
    assert 1 <= source.concurrency <= 1024


def closes_twice(source: Source, url: str) -> None:
    """As promised, and in the middle of a listing."""
    listing = source.entries(url)
    next(listing)
    source.close()
    source.close()


def errors_are_sentences(source: Source, url: str) -> None:
    """With the name, without a traceback's talk, and they survive pickling."""
    import pickle

    error = _expect(MissingItem, lambda: source.read(url + "none"))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.transient, again.wait) == (str(error), False, 0.0)
    assert "none" in str(error)
    assert str(error).endswith(".")


def _expect(kind: type[SourceError], call: Callable[[], object]) -> SourceError:
    try:
        result = call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {str(result)[:200]}")


SOURCE_CHECKS: tuple[Callable[[Source, str], None], ...] = (
    lists_all_in_order,
    lists_the_same_twice,
    goes_on_after_any_item,
    lists_a_folder_with_or_without_a_slash,
    lists_an_item_itself,
    reads_what_is_there,
    tells_sizes,
    fetches_with_the_version,
    keeps_the_limit,
    says_what_is_missing,
    reads_in_many_threads,
    says_how_many_reads_at_once,
    closes_twice,
    errors_are_sentences,
)
