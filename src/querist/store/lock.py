"""One writer a run: a lock that the death of its holder releases."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from querist.store.errors import DamagedFile, LockLost, RunLocked, storage_error
from querist.store.files import atomic_write, name_new, read_regular

_HELD_BY_OTHER = frozenset({errno.EACCES, errno.EAGAIN})
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_SETTLE_S = 0.2

# POSIX locks do not exclude a second lock of the same process, so these are remembered.
_held_here: dict[str, int] = {}
_held_here_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes a run.

    Attributes:
        host: Host name.
        pid: Process id on that host.
        started: When it took the lock, ISO 8601 in UTC.
        run: Id of the run.
        token: Random, different every time.
    """

    host: str = ""
    pid: int = 0
    started: str = ""
    run: str = ""
    token: str = ""


def read_holder(folder: Path | str) -> Holder | None:
    """Who holds, or held last, the lock of a run; None where nobody is known."""
    return _read_holder(Path(folder) / "writer.json")


def _read_holder(path: Path) -> Holder | None:
    try:
        said = json.loads(read_regular(path, 65536))
        return Holder(*(type(default)(said[name]) for name, default in asdict(Holder()).items()))
    except (OSError, DamagedFile, ValueError, TypeError, KeyError):
        return None


class WriterLock:
    """The exclusive right to write into the folder of a run.

    A POSIX lock on `writer.lock`, which works between hosts on NFS, and on Lustre mounted with
    `flock`. `writer.json` beside it says who holds it. Where the file system has no locks, a
    file `writer.exclusive` is created instead, whose modification time is kept fresh by a thread;
    it counts as left behind when its process is dead (same host) or when it was not touched for
    `stale_s` seconds of the file system's own clock.

    Args:
        folder: Of the run.
        run_id: Named in the error that others get.
        stale_s: Silence after which a holder without POSIX lock counts as dead.
        lockf: `fcntl.lockf`; tests put another one here.
    """

    def __init__(
        self,
        folder: Path | str,
        run_id: str,
        *,
        stale_s: float = 60.0,
        lockf: Callable[[int, int], object] = fcntl.lockf,
    ) -> None:
        self._folder, self._run_id = Path(folder), run_id
        self._stale_s, self._lockf = stale_s, lockf
        self._key = os.path.realpath(self._folder)
        self._fd = -1
        self._beat: _Heartbeat | None = None
        self._me: Holder | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._me is not None

    def acquire(self) -> None:
        """Take the lock, without waiting.

        Raises:
            RunLocked: Someone else has it.
            StoreFull, StoreFailed: The lock file could not be written.
        """
        self._claim_in_process()
        me = Holder(
            host=socket.gethostname(),
            pid=os.getpid(),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            run=self._run_id,
            token=secrets.token_hex(8),
        )
        try:
            self._take(me)
            atomic_write(self._folder / "writer.json", json.dumps(asdict(me)).encode())
        except OSError as error:
            self._drop()
            raise storage_error(error, self._folder, "locking the run") from error
        except BaseException:
            self._drop()
            raise
        self._me = me

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._me is not None:
            mine = read_holder(self._folder) == self._me
            self._me = None
            with suppress(OSError):
                if mine:
                    (self._folder / "writer.json").unlink(missing_ok=True)
            self._drop()

    def check(self) -> None:
        """See that the lock is still held; cheap enough for every round of a loop.

        Raises:
            LockLost: This process was silent for so long that another one took over.
        """
        if self._beat is not None and self._beat.lost:
            raise LockLost(
                f"The lock of {self._folder} was taken over by another process, because this one "
                f"had not touched it for {self._stale_s:.0f} s. Stop writing; resume the run when "
                "the other process has ended."
            )

    def __enter__(self) -> WriterLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    # -- how ----------------------------------------------------------------------------------

    def _claim_in_process(self) -> None:
        with _held_here_lock:
            if _held_here.get(self._key) == os.getpid():
                raise self._locked(read_holder(self._folder) or Holder(pid=os.getpid()))
            _held_here[self._key] = os.getpid()

    def _take(self, me: Holder) -> None:
        exclusive = _Exclusive(self._folder / "writer.exclusive", self._stale_s)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._folder / "writer.lock", flags, 0o644)
        try:
            self._lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD_BY_OTHER:
                raise self._locked(read_holder(self._folder)) from None
            if error.errno not in _UNSUPPORTED:
                raise
            if (other := exclusive.take(me)) is not None:
                raise self._locked(other) from None
            self._beat = _Heartbeat(exclusive, me, self._stale_s / 6)
            return
        if (other := exclusive.living()) is not None:  # a host where locks do not work
            raise self._locked(other)

    def _drop(self) -> None:
        if self._beat is not None:
            self._beat.stop()
            self._beat = None
        if self._fd >= 0:
            os.close(self._fd)  # which releases the POSIX lock
            self._fd = -1
        with _held_here_lock:
            _held_here.pop(self._key, None)

    def _locked(self, holder: Holder | None) -> RunLocked:
        holder = holder or Holder()
        who = f"process {holder.pid or '(unknown)'} on host {holder.host or '(unknown)'}"
        error = RunLocked(
            f"The run {self._folder} is being written by {who}, since "
            f"{holder.started or 'an unknown time'}. Wait until it ends, or stop it there; "
            "reading the run (report, failures, export) needs no lock."
        )
        error.host, error.pid, error.since = holder.host, holder.pid, holder.started
        return error


class _Exclusive:
    """A file that only one process can create: the fallback without POSIX locks."""

    def __init__(self, path: Path, stale_s: float) -> None:
        self.path, self._stale_s = path, stale_s

    def take(self, me: Holder) -> Holder | None:
        """Create the file; the holder that prevents it, or None."""
        for _ in range(2):
            if self._create(me):
                return None
            if (other := self.living()) is not None:
                return other
            self._remove_stale(_read_holder(self.path))
            if self._create(me):
                time.sleep(_SETTLE_S)  # two may have judged it stale: the last one to create wins
                return None if _read_holder(self.path) == me else _read_holder(self.path)
        return _read_holder(self.path) or Holder()

    def living(self) -> Holder | None:
        """Who holds the file and is not known to be dead, or None."""
        try:
            age = self._file_system_now() - self.path.stat().st_mtime
        except FileNotFoundError:
            return None
        holder = _read_holder(self.path)
        if age > self._stale_s or (holder is not None and known_dead(holder.pid, holder.host)):
            return None
        return holder or Holder()

    def _create(self, me: Holder) -> bool:
        try:
            with self.path.open("xb") as file:
                file.write(json.dumps(asdict(me)).encode())
        except FileExistsError:
            return False
        return True

    def _remove_stale(self, judged: Holder | None) -> None:
        aside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.tmp")
        with suppress(FileNotFoundError):
            self.path.rename(aside)
            if _read_holder(aside) != judged:  # someone was faster: give it back
                with suppress(FileExistsError):
                    name_new(aside, self.path)
            aside.unlink(missing_ok=True)

    def _file_system_now(self) -> float:
        """The clock that modification times are taken from, which may differ from ours."""
        probe = self.path.with_name(f".clock.{secrets.token_hex(6)}.tmp")
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink()


def known_dead(pid: int, host: str) -> bool:
    """Whether a process is gone for certain; of another host's nothing is known."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class _Heartbeat:
    """Touches the exclusive file while its holder lives."""

    def __init__(self, exclusive: _Exclusive, me: Holder, every_s: float) -> None:
        self.lost = False
        self._path, self._me, self._every_s = exclusive.path, me, every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="querist-lock", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        if not self.lost and _read_holder(self._path) == self._me:
            self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            if _read_holder(self._path) != self._me:
                self.lost = True
                return
            with suppress(OSError):  # a busy file server; the next beat may get through
                os.utime(self._path)
