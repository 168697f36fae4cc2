"""Going through folders in order."""

from __future__ import annotations

from querist.sources.walking import DEEPEST, Folder, walk

TREE = {
    b"/": [b"b/", b"b.txt", b"a", b"b-c/", b".h"],
    b"/b/": [b"2", b"1"],
    b"/b-c/": [b"3", b"closed/"],
}


def enter(path: bytes, stack) -> Folder | None:
    return Folder(path, TREE[path]) if path in TREE else None


def paths(start: bytes = b"") -> list[bytes]:
    return [path for path, _ in walk(Folder(b"/", TREE[b"/"]), enter, start)]


def test_the_order_is_that_of_the_paths() -> None:
    assert paths() == [b"/a", b"/b-c/3", b"/b-c/closed", b"/b.txt", b"/b/1", b"/b/2"]
    assert paths(b"/b-c/3") == [b"/b-c/closed", b"/b.txt", b"/b/1", b"/b/2"]
    assert paths(b"/b-c/closed") == [b"/b.txt", b"/b/1", b"/b/2"]
    assert paths(b"/b/1") == [b"/b/2"]


def test_a_folder_that_lies_in_itself_ends() -> None:
    top = Folder(b"/", [b"a/"])
    (found,) = walk(top, lambda path, _: Folder(path, [b"a/"]), b"")
    assert found == (b"/a" * DEEPEST, None)


def test_folders_are_closed_when_a_listing_is_given_up() -> None:
    closed: list[bytes] = []

    class Watched(Folder):
        def close(self) -> None:
            closed.append(self.path)

    going = walk(Watched(b"/", [b"a/"]), lambda path, _: Watched(path, [b"x"]), b"")
    next(going)
    going.close()
    assert sorted(closed) == [b"/", b"/a/"]
