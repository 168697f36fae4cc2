"""Going through folders in the order of the paths' bytes, with one folder's names in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar


class Folder:
    """The names in one folder, to be taken in order; those of folders end with a slash.

    With the slash a name sorts where its files' paths do: ``b-c/3`` before ``b.txt`` before
    ``b/1``. Names that begin with a dot are left out.

    Args:
        path: Of the folder, with a slash at the end.
        names: In any order.
    """

    def __init__(self, path: bytes, names: Iterable[bytes]) -> None:
        self.path = path
        self._names = sorted((name for name in names if not name.startswith(b".")), reverse=True)

    def next_name(self) -> bytes | None:
        """The next name; None at the end."""
        return self._names.pop() if self._names else None

    def close(self) -> None:
        """Called when it is left."""


DEEPEST = 100
F = TypeVar("F", bound=Folder)


def walk(
    top: F, enter: Callable[[bytes, Sequence[F]], F | None], start: bytes
) -> Iterator[tuple[bytes, F | None]]:
    """The paths of all files, in order, each with its folder.

    Args:
        top: Where to begin.
        enter: Opens a folder, given its path and the open folders from the top; None where it
            cannot or should not be entered, which gives its path with None for its folder. It is
            not asked below :data:`DEEPEST` folders: a server's may lie in themselves without end.
        start: Only paths after this one; folders that lie wholly before it are not entered.
    """
    stack = [top]
    try:
        while stack:
            name = stack[-1].next_name()
            if name is None:
                stack.pop().close()
                continue
            path = stack[-1].path + name
            if path <= start and not (path.endswith(b"/") and start.startswith(path)):
                continue
            if not path.endswith(b"/"):
                yield path, stack[-1]
            elif len(stack) < DEEPEST and (folder := enter(path, stack)) is not None:
                stack.append(folder)
            elif path[:-1] > start:
                yield path[:-1], None
    finally:
        for folder in stack:
            folder.close()
