"""The append-only record of a run: one writer, whose records become durable in groups."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NamedTuple

from querist.store.codec import NO_ARRAYS, Arrays, encode_body
from querist.store.errors import (
    FlushTimeout,
    StoreClosed,
    StoreError,
    StoreFailed,
    StoreFull,
    storage_error,
)
from querist.store.repair import open_for_writing
from querist.store.reserve import Reserve
from querist.store.segments import (
    FRAME_OVERHEAD,
    SegmentFile,
    check_size,
    encode_record,
    segment_path,
)

_GROUP_BYTES = 16 * 2**20


class _Waiting(NamedTuple):
    seq: int
    at: float
    head_length: int
    body: bytes


class JournalWriter:
    """Appends records to a journal.

    `append` only encodes and queues; a background thread writes everything that waits and
    makes it durable with one sync. Hold the run's `WriterLock` while one of these exists.

    All methods may be called from any thread. The callbacks run on the background thread:
    they must be quick and must not call `append`, `flush` or `close`.

    A failed write or sync stops the writer for good: `failed` then holds the error,
    `on_failed` receives it, and `append`, `flush` and `close` raise it. Records that are
    durable stay durable; the file is cut back to whole records. A sync that failed is never
    repeated, because the operating system may have dropped the data. On a full disk a reserve is
    given up, into which goes what was appended before.

    Args:
        folder: Of the segments; created where missing. A torn end left by a crash is moved
            to a `.torn` file beside the segment.
        run_id: At most 64 bytes; must be that of the existing journal.
        on_durable: Called with the seq up to which all records are durable.
        on_failed: Called once with the error that stopped the writer.
        sync: False skips syncing: for tests and benchmarks only.
        segment_bytes: A new segment is started when the current one is this large.

    Raises:
        JournalCorrupt: The existing journal is damaged where it had been durable.
        WrongRun: It belongs to another run.
        StoreFull, StoreFailed: The first segment could not be written.
    """

    pending_limit: ClassVar[int] = 256 * 2**20
    """`append` waits while more than this many bytes are queued."""

    def __init__(
        self,
        folder: Path | str,
        run_id: str,
        *,
        on_durable: Callable[[int], None] | None = None,
        on_failed: Callable[[StoreError], None] | None = None,
        sync: bool = True,
        segment_bytes: int = 64 * 2**20,
    ) -> None:
        self._folder, self._run_id, self._sync = Path(folder), run_id, sync
        self._on_durable, self._on_failed = on_durable, on_failed
        self._segment_bytes = segment_bytes
        self._number, self._segment = open_for_writing(self._folder, run_id, sync)
        self._seq = self._durable = self._segment.durable_seq
        self._reserve = Reserve(self._folder)
        self._batch: list[_Waiting] = []  # being written
        self._pending: list[_Waiting] = []
        self._pending_bytes = 0
        self._idle = self._closing = self._stopping = False
        self._failed: StoreError | None = None
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._done = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._run, name="querist-journal", daemon=True)
        self._thread.start()

    # -- what callers see -------------------------------------------------------------------

    @property
    def last_seq(self) -> int:
        """The record appended last, or 0."""
        return self._seq

    @property
    def durable_seq(self) -> int:
        """All records up to this one are on the disk."""
        return self._durable

    @property
    def failed(self) -> StoreError | None:
        """The error that stopped the writer, or None."""
        return self._failed

    def append(self, kind: str, data: Mapping[str, Any], arrays: Arrays = NO_ARRAYS) -> int:
        """Queue a record; it is durable once `durable_seq` reaches its number.

        Args:
            kind: What it says.
            data: A JSON object.
            arrays: Arrays of any shape and dtype without Python objects; they are copied.

        Returns:
            Its number.

        Raises:
            NotStorable: A value cannot be stored; nothing was appended.
            TooLarge: It has 4 GiB or more; nothing was appended.
            StoreFull, StoreFailed: The writer has stopped.
            StoreClosed: It was closed.
        """
        head_length, body = encode_body(kind, data, arrays)
        check_size(len(body))
        with self._lock:
            while self._stopping or self._is_crowded():
                self._done.wait()
            self._raise_if_stopped()
            self._seq += 1
            self._pending.append(_Waiting(self._seq, time.time(), head_length, body))
            self._pending_bytes += len(body)
            if self._idle:
                self._work.notify()
            return self._seq

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything appended so far is durable.

        Args:
            timeout: Seconds to wait at most; None waits for ever.

        Raises:
            FlushTimeout: It took longer.
            StoreFull, StoreFailed: The writer stopped before.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            wanted = self._seq
            while self._durable < wanted and self._failed is None:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise FlushTimeout(
                        f"Records {self._durable + 1} to {wanted} of {self._folder} did not become "
                        f"durable within {timeout} s. The disk is slow or hangs; wait longer."
                    )
                self._done.wait(left)
            if self._durable < wanted and self._failed is not None:
                raise self._failed.with_traceback(None)

    def close(self) -> None:
        """Make everything durable and close the files; a second call does nothing more.

        Raises:
            StoreFull, StoreFailed: Not all records are durable.
        """
        with self._lock:
            self._closing = True
            self._work.notify()
        self._thread.join()
        if self._failed is not None:
            raise self._failed.with_traceback(None)

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except StoreError:
            if error is None:  # otherwise that one is already on its way
                raise

    # -- the background thread --------------------------------------------------------------

    def _is_crowded(self) -> bool:
        full = self._pending_bytes > self.pending_limit
        return full and self._failed is None and not self._closing

    def _raise_if_stopped(self) -> None:
        if self._failed is not None:
            raise self._failed.with_traceback(None)
        if self._closing:
            raise StoreClosed(
                f"The journal {self._folder} is closed and takes no more records. "
                "Open a new JournalWriter to continue it."
            )

    def _run(self) -> None:
        try:
            while batch := self._take():
                self._commit(batch)
            self._segment.finish()
            self._segment.close()
            self._reserve.release()
        except Exception as error:  # noqa: BLE001
            # Isolation boundary: nobody else sees what this thread raises (callbacks
            # included), and a writer that died in silence would stall the run for ever.
            self._stop(error)

    def _take(self) -> list[_Waiting]:
        with self._lock:
            while not self._pending and not self._closing:
                self._idle = True
                self._work.wait()
            self._idle = False
            self._batch, self._pending = self._pending, []
            self._pending_bytes = 0
            self._done.notify_all()
            return self._batch

    def _commit(self, batch: list[_Waiting]) -> None:
        for chunk in _chunks(batch, min(_GROUP_BYTES, self._segment_bytes)):
            if self._segment.end >= self._segment_bytes:
                self._rotate()
            self._write(chunk)
        self._make_durable()

    def _write(self, chunk: list[_Waiting]) -> None:
        salt = self._segment.header.salt
        frames = [encode_record(w.seq, w.at, w.head_length, w.body, salt) for w in chunk]
        self._segment.write(frames, chunk[-1].seq)

    def _make_durable(self) -> None:
        before = self._segment.durable_seq
        self._segment.sync()
        if self._segment.durable_seq == before:
            return
        try:
            self._segment.mark()
        finally:  # the mark is a note to readers; the records are durable without it
            self._announce()

    def _announce(self) -> None:
        with self._lock:
            self._durable = self._segment.durable_seq
            self._done.notify_all()
        if self._on_durable is not None:
            self._on_durable(self._durable)

    def _rotate(self) -> None:
        self._make_durable()
        self._segment.finish()
        self._segment.close()
        self._number += 1
        path = segment_path(self._folder, self._number)
        first = self._segment.written_seq + 1
        self._segment = SegmentFile.create(path, self._run_id, first, self._sync)

    def _stop(self, cause: Exception) -> None:
        with self._lock:
            self._stopping = True  # nothing more is taken
            rest, self._pending = [*self._batch, *self._pending], []
            self._pending_bytes = 0
        self._save_what_fits(rest if isinstance(self._explain(cause), StoreFull) else [])
        failure = self._explain(cause)
        failure.__cause__ = cause
        with self._lock:
            self._failed, self._stopping = failure, False
            self._done.notify_all()
        if self._on_failed is not None:
            self._on_failed(failure)

    def _save_what_fits(self, rest: list[_Waiting]) -> None:
        """After a failed write, sync the whole records before it, which are as good as any.

        Args:
            rest: To be written first, into the reserve.
        """
        try:
            rest = [waiting for waiting in rest if waiting.seq > self._segment.written_seq]
            if rest and self._segment.trusted and self._reserve.release():
                with suppress(OSError):  # then it was not enough
                    self._write(rest)
            self._segment.sync()
            if self._segment.durable_seq > self._durable:
                self._announce()
            self._segment.close()
        except Exception:  # noqa: BLE001
            # Isolation boundary: the first failure is the one to report.
            return

    def _explain(self, cause: Exception) -> StoreFailed:
        kept = f"Records up to {self._durable} are durable; later ones are not in the journal."
        if isinstance(cause, OSError):
            cause = storage_error(cause, self._segment.path, "writing the journal")
        if isinstance(cause, StoreFailed):
            return type(cause)(f"{cause} {kept}")
        return StoreFailed(
            f"The journal writer of {self._folder} stopped on {type(cause).__name__}: {cause}. "
            f"{kept} Correct the cause and resume the run."
        )


def _chunks(batch: list[_Waiting], size: int) -> Iterator[list[_Waiting]]:
    chunk: list[_Waiting] = []
    filled = 0
    for waiting in batch:
        chunk.append(waiting)
        filled += len(waiting.body) + FRAME_OVERHEAD
        if filled >= size:
            yield chunk
            chunk, filled = [], 0
    if chunk:
        yield chunk
