"""Space set aside while there is some, for what must still be written when there is none."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import ClassVar


class Reserve:
    """A file that does nothing but take space; removing it gives that back.

    It is a help and no promise: file systems may give freed space to others, or late, and where
    there is no room for the file there is no reserve.

    Args:
        folder: On the file system in question.
    """

    size: ClassVar[int] = 2**20

    def __init__(self, folder: Path) -> None:
        self.path = folder / "reserve"
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                _allocate(fd, self.size)
            finally:
                os.close(fd)
        except OSError:
            self.release()

    def release(self) -> bool:
        """Give the space back; whether there was any."""
        with suppress(OSError):
            self.path.unlink()
            return True
        return False


def _allocate(fd: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    for at in range(0, size, 2**16):
        os.pwrite(fd, bytes(2**16), at)
