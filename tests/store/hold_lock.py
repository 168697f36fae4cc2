"""Holds the lock of a run until its input ends: hold_lock.py FOLDER MODE.

MODE is "locks", or "none" for a file system without locks. Prints "held" or the error's type.
"""

from __future__ import annotations

import errno
import fcntl
import sys

from querist.store import RunLocked, WriterLock


def unsupported(fd: int, operation: int) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


if __name__ == "__main__":
    folder, mode = sys.argv[1:]
    lock = WriterLock(folder, "r", lockf=fcntl.lockf if mode == "locks" else unsupported)
    try:
        lock.acquire()
    except RunLocked as error:
        print("RunLocked", error.pid, flush=True)
    else:
        print("held", flush=True)
        sys.stdin.read()
        lock.release()
