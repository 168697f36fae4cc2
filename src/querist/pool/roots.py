"""The folders, prefixes and manifests' folders that a pool's URIs are relative to.

An item is kept as a root and a path below it, and its id is made of the root's name and the path:
so when a folder moves, one line changes and every id stays. Root 0 has neither name nor URI: items
that lie under no root are below it with their whole URI.
"""

from __future__ import annotations

import os
import sqlite3
from typing import NamedTuple

from querist.pool.digests import key_of
from querist.pool.errors import PoolError
from querist.sources.source import SourceError
from querist.sources.uris import file_uri, local_path, scheme_of

_SAMPLE = 32


class Root(NamedTuple):
    """A place that URIs are relative to; ``uri`` ends with a slash."""

    root: int
    name: str
    uri: str


class Place(NamedTuple):
    """Where an item is, and the key made of that."""

    root: int
    path: str
    key: bytes


NOWHERE = Root(0, "", "")


class Roots:
    """The roots as the index has them; to be refreshed in each transaction."""

    def __init__(self) -> None:
        self._by_uri: dict[str, Root] = {}
        self._last = ("", NOWHERE)

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Read them anew: another process may have added or moved one."""
        found = [
            Root(*values) for values in connection.execute("SELECT root, name, uri FROM roots")
        ]
        self._by_uri = {root.uri: root for root in found if root.uri}
        self._last = ("", NOWHERE)

    def place(self, uri: str) -> Place:
        """The place of a canonical URI: below the longest root that it begins with."""
        folder = uri[: uri.rfind("/") + 1]
        if folder != self._last[0]:
            self._last = (folder, self.covering(folder))
        root = self._last[1]
        path = uri[len(root.uri) :]
        return Place(root.root, path, key_of(root.name, path))

    def covering(self, folder: str) -> Root:
        """The longest root that a folder lies in; root 0 where there is none."""
        end = len(folder)
        while end > 0:
            found = self._by_uri.get(folder[:end])
            if found is not None:
                return found
            end = folder.rfind("/", 0, end - 1) + 1
        return NOWHERE

    def cover(self, connection: sqlite3.Connection, folder: str) -> None:
        """Make sure that a folder lies in a root: one that there is, that moved, or a new one."""
        self.refresh(connection)
        if not folder or self.covering(folder).root:
            return
        moved = self._moved_to(connection, folder)
        if moved is not None:
            connection.execute("UPDATE roots SET uri = ? WHERE root = ?", (folder, moved.root))
        else:
            self._create(connection, folder)
        self.refresh(connection)

    def _create(self, connection: sqlite3.Connection, folder: str) -> None:
        names = {root.name for root in self._by_uri.values()}
        name = base = base_name(folder)
        number = 1
        while name in names:
            number += 1
            name = f"{base}-{number}"
        made = connection.execute("INSERT INTO roots (name, uri) VALUES (?, ?)", (name, folder))
        adopt(connection, Root(made.lastrowid or 0, name, folder))

    def _moved_to(self, connection: sqlite3.Connection, folder: str) -> Root | None:
        """The root of this folder's name whose own folder is gone, and whose files are here."""
        if scheme_of(folder) != "file":
            return None
        for root in self._by_uri.values():
            if base_name(root.uri) == base_name(folder) and not _is_folder(root.uri):
                sample = connection.execute(
                    "SELECT path, size FROM items WHERE root = ? AND row IN "
                    "(SELECT row FROM items WHERE root = ? ORDER BY row LIMIT ?)",
                    (root.root, root.root, _SAMPLE),
                ).fetchall()
                there = sum(_has_size(folder + path, size) for path, size in sample)
                if there and 2 * there >= len(sample):
                    return root
        return None


def relocate(connection: sqlite3.Connection, before: str, after: str) -> None:
    """Give the root of one folder another.

    Raises:
        PoolError: If there is no such root, or one at the new place.
    """
    known = [uri for (uri,) in connection.execute("SELECT uri FROM roots WHERE root > 0")]
    if before not in known or after in known:
        shown = ", ".join(known) or "none"
        raise PoolError(
            f"A folder moves from a place that was added to one that was not, got {before} and "
            f"{after}. Added were: {shown}."
        )
    connection.execute("UPDATE roots SET uri = ? WHERE uri = ?", (after, before))


def base_name(folder: str) -> str:
    """A name for a root: a local folder's own name; of others the URI without its last slash."""
    bare = folder.rstrip("/")
    return bare.rpartition("/")[2] or "file" if scheme_of(folder) == "file" else bare


def adopt(connection: sqlite3.Connection, root: Root) -> None:
    """Bring items that were added by their whole URIs below a new root; their ids stay."""
    found = connection.execute(
        "SELECT row, key, id, path FROM items "
        "WHERE root = 0 AND kind = 0 AND substr(path, 1, ?) = ?",
        (len(root.uri), root.uri),
    ).fetchall()
    for row, key, own, whole in found:
        path = whole[len(root.uri) :]
        fresh = key_of(root.name, path)
        name = own if own is not None or fresh == key else key.hex()
        connection.execute(
            "UPDATE items SET root = ?, path = ?, key = ?, id = ? WHERE row = ?",
            (root.root, path, fresh, name, row),
        )


def canonical(uri: str) -> str:
    """A local path as a ``file:`` URI; other URIs as they are."""
    if scheme_of(uri) in ("", "file"):
        return file_uri(os.path.abspath(local_path(uri)))  # noqa: PTH100, Path has no bytes
    return uri


def as_folder(uri: str) -> str:
    """A folder's or prefix's canonical URI, with its last slash."""
    return canonical(uri).rstrip("/") + "/"


def _is_folder(uri: str) -> bool:
    try:
        return os.path.isdir(local_path(uri))  # noqa: PTH112, Path has no bytes
    except SourceError:
        return False


def _has_size(uri: str, size: int | None) -> bool:
    try:
        return os.stat(local_path(uri)).st_size == size  # noqa: PTH116, Path has no bytes
    except (OSError, SourceError):
        return False
