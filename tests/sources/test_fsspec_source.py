"""What fsspec keeps as long as a process lives."""

from __future__ import annotations

from typing import Any

import pytest

from querist.sources.fsspec_source import FsspecSource

fsspec = pytest.importorskip("fsspec")


def test_a_listing_is_not_that_of_before() -> None:
    held = {"/a.txt": b"1"}

    class Listed(fsspec.AbstractFileSystem):
        """As those of clouds: a folder that was listed is not asked for again."""

        protocol = "listed"

        def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
            if path not in self.dircache:
                told = ((name, len(data)) for name, data in held.items())
                self.dircache[path] = [
                    {"name": name, "size": size, "type": "file"} for name, size in told
                ]
            return self.dircache[path]

        def info(self, path: str, **_: Any) -> Any:
            if path in ("", "/"):
                return {"name": "", "type": "directory"}
            return next(one for one in self.ls("") if one["name"] == path)

        def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
            return held[path]

        def invalidate_cache(self, path: str | None = None) -> None:
            self.dircache.clear()

    fsspec.register_implementation("listed", Listed, clobber=True)

    def listed(source: FsspecSource) -> dict[str, int | None]:
        return {entry.uri: entry.size for entry in source.entries("listed://")}

    source = FsspecSource("listed")
    first = listed(source)
    assert list(first.values()) == [1]
    held.update({"/a.txt": b"two", "/b.txt": b"2"})
    assert sorted(listed(source).values()) == [1, 3]
    held["/a.txt"] = b"longer"
    again = FsspecSource("listed")  # fsspec gives the same file system
    assert again.read(next(iter(first))) == b"longer"
