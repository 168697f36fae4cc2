"""Items of a block, read where they are near and decoded: in this process, or in one beside it.

Threads of one process share Python's lock, which small pictures hold most of the time. A process
beside it (:class:`Apart`) has a lock of its own; it is told what to read, and gives arrays.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import RoleFailed
from querist.engines.lifeline import die_with_parent
from querist.pool.digests import content_digest
from querist.sources.opening import Sources
from querist.sources.retrying import Retry
from querist.sources.source import Forbidden, MissingItem, SourceError, TooLarge, Unreachable
from querist.sources.transforms.contract import BadItem, Decoded, Transform
from querist.sources.uris import local_path, scheme_of, shown, shown_path

_REASONS: tuple[tuple[type[SourceError], str], ...] = (
    (MissingItem, "missing"),
    (TooLarge, "too-large"),
    (Forbidden, "forbidden"),
    (Unreachable, "unreachable"),
)
_LENGTHS = 2  # of what stands before each message: of its pickle, and of its array, in bytes
_BOOT = "import sys; sys.path[:] = {}; from querist.pool.scan.decoding import main; main()"
_PIPE = 1 << 20  # bytes that a pipe holds, where the system allows
_SET_PIPE_SIZE = 1031  # fcntl(2), Linux
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""For glibc's malloc in a process that decodes (mallopt(3)): arrays of one size come and go there,
and memory that went back to the system in between costs a quarter of the time in page faults."""
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
"""Of libraries for algebra, which otherwise begin with a thread for each core, for nothing."""
_LARGE = 1 << 20  # bytes of an answer from which on its memory is used again
_SPARE = 2  # pieces of memory that are kept while nothing lies in them


class Wanted(NamedTuple):
    """An item that is to be decoded.

    Attributes:
        at: Its place in its block.
        uri, version: Where it is, and what its source said of it.
        data: Its bytes; None if they are to be read here.
    """

    at: int
    uri: str
    version: str
    data: bytes | None


class Made(NamedTuple):
    """What came of some items.

    Attributes:
        places: Of those that were decoded.
        values: What they became, in this order: an array ``(n, ...)``, or a list.
        digests: Of the contents, by place, of broken ones too.
        failures: Place, reason and sentence.
        read, bytes: How many were read here.
        changed: Of these, how many are not what the pool knows.
    """

    places: list[int]
    values: Any
    digests: dict[int, bytes]
    failures: list[tuple[int, str, str]]
    read: int
    bytes: int
    changed: int


Fetch = Callable[[str], tuple[bytes, str]]


class Decoder(Protocol):
    """Reads and decodes items; for one thread at a time."""

    def get_ready(self) -> None:
        """Return once it can begin at once; it may also be asked without."""
        ...

    def __call__(self, wanted: Sequence[Wanted]) -> Made:
        """What came of these items."""
        ...

    def close(self) -> None:
        """End it, from any thread; what is under way fails."""
        ...


class Here:
    """Decodes in this thread.

    Args:
        fetch: Gives bytes and version of a URI.
        transform: Decodes.
    """

    def __init__(self, fetch: Fetch, transform: Transform) -> None:
        self._fetch, self._transform = fetch, transform

    def get_ready(self) -> None:
        """It is."""

    def __call__(self, wanted: Sequence[Wanted]) -> Made:
        """What came of these items."""
        made = Made([], list[Decoded](), {}, [], 0, 0, 0)
        read = total = changed = 0
        for at, uri, version, data in wanted:
            if data is None:
                try:
                    data, now = self._fetch(uri)
                except SourceError as error:
                    made.failures.append((at, *refusal(error, uri)))
                    continue
                read, total = read + 1, total + len(data)
                changed += bool(now != version and version and now)
            made.digests[at] = bytes.fromhex(content_digest(data))
            try:
                value = self._transform.decode(data)
            except BadItem as error:
                made.failures.append((at, "broken", str(error)))
                continue
            made.places.append(at)
            made.values.append(value)
        return made._replace(read=read, bytes=total, changed=changed)

    def close(self) -> None:
        """Nothing is held."""


def _fresh(size: int) -> NDArray[np.uint8]:
    return np.empty(size, np.uint8)


class Memory:
    """Memory for large answers, taken again once nobody holds what lay in it.

    Fresh memory costs as much as what is copied there: the system clears every page of it.

    Args:
        fresh: Gives so many bytes, ``(size,)``, where none of before fit.
    """

    def __init__(self, fresh: Callable[[int], NDArray[np.uint8]] = _fresh) -> None:
        self._fresh = fresh
        self._spare: deque[NDArray[np.uint8]] = deque(maxlen=_SPARE)  # from any thread

    def take(self, size: int) -> NDArray[np.uint8]:
        """``(size,)`` bytes, of anything."""
        if size < _LARGE:
            return _fresh(size)
        piece = self._fitting(size)
        # Of a buffer, so that what is made of it later refers to this very array.
        given = np.frombuffer(piece.data, np.uint8, size)
        weakref.finalize(given, self._spare.append, piece).atexit = False
        return given

    def _fitting(self, size: int) -> NDArray[np.uint8]:
        with suppress(IndexError):
            while True:  # what is too small goes: batches grow to one size
                piece = self._spare.pop()
                if size <= len(piece):
                    return piece
        return self._fresh(size)


class Apart:
    """Decodes in a process of its own, which ends with this one.

    Args:
        told: What it opens: an access policy, options of the sources, how often failures are tried
            again, and a transform.
        memory: Where its answers lie; several share one.
    """

    def __init__(self, told: tuple[Any, Any, Retry, Transform], memory: Memory) -> None:
        self._told, self._memory = told, memory
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()
        self._asked = threading.Lock()  # held while an answer is awaited

    def get_ready(self) -> None:
        """Start the process and wait until it has loaded what it needs.

        What goes wrong with that, the first call tells.
        """
        with suppress(RoleFailed):
            self([])

    def __call__(self, wanted: Sequence[Wanted]) -> Made:
        """What came of these items.

        Raises:
            RoleFailed: If the process ended; the next call starts another.
        """
        with self._asked:
            return self._answer(wanted)

    def _answer(self, wanted: Sequence[Wanted]) -> Made:
        process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _send(process.stdin, _packed(wanted))
            head, body = _receive(process.stdout, self._memory.take)
        except (EOFError, OSError) as error:
            self._process = None
            raise RoleFailed(_ended(_gone(process))) from error
        made: Made
        made, shape, dtype = pickle.loads(head)
        return made if shape is None else made._replace(values=body.view(dtype).reshape(shape))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._closed.is_set():
            raise RoleFailed("The scan has ended.")
        process = subprocess.Popen(
            [sys.executable, "-B", "-c", _BOOT.format(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**_KEEP_MEMORY, **os.environ, **_ONE_THREAD},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        _widen(process.stdin)
        _widen(process.stdout)
        self._process = process
        if self._closed.is_set():  # meanwhile, when there was nothing to kill yet
            process.kill()
        with suppress(OSError):  # it ended; the first answer that is missing tells
            _send(process.stdin, pickle.dumps(self._told, protocol=5))
        return process

    def close(self) -> None:
        """Kill the process: it holds nothing but what it was told."""
        self._closed.set()
        if (process := self._process) is not None:
            process.kill()
            with self._asked:  # whoever waits for it has heard of its end
                _gone(process)


def refusal(error: SourceError, uri: str) -> tuple[str, str]:
    """Why an item cannot be read: a reason, and a sentence without its place."""
    reason = next((word for kind, word in _REASONS if isinstance(error, kind)), "source")
    return reason, without_place(str(error), uri)


def without_place(message: str, uri: str) -> str:
    """A sentence without the item's URI: journals hold ids, not content."""
    path = shown_path(local_path(uri)) if scheme_of(uri) == "file" else ""
    for text in (shown(uri), uri, path, uri.removeprefix("file://")):
        if text:
            for said in (f"There is no file {text}", f"There is no {text}"):
                message = message.replace(said, "The item is not there")
            message = message.replace(text, "the item")
    return message


def _gone(process: subprocess.Popen[bytes]) -> int:
    """End a process and close its pipes; its status."""
    process.kill()
    with process:  # closes and waits
        pass
    return process.returncode


def _ended(status: int) -> str:
    how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
    return f"A process that decodes items ended {how}; its batch is not done."


# --------------------------------------------------------------------------------------- the pipes


def _widen(pipe: IO[bytes]) -> None:
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # more than a user may have
            fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, _PIPE)


def _send(pipe: IO[bytes], head: bytes, body: NDArray[np.uint8] | None = None) -> None:
    size = 0 if body is None else body.nbytes
    _write(pipe, np.array([len(head), size], np.uint64).tobytes() + head)
    if body is not None:
        _write(pipe, body.data)


def _write(pipe: IO[bytes], data: bytes | memoryview) -> None:
    view = memoryview(data)
    while len(view):
        view = view[os.write(pipe.fileno(), view) :]


def _receive(
    pipe: IO[bytes], take: Callable[[int], NDArray[np.uint8]] = _fresh
) -> tuple[bytes, NDArray[np.uint8]]:
    lengths = _read(pipe, _fresh(8 * _LENGTHS)).view(np.uint64)
    head = _read(pipe, _fresh(int(lengths[0])))
    return head.tobytes(), _read(pipe, take(int(lengths[1])))


def _read(pipe: IO[bytes], data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """So many bytes as there is room; the lock is free while they come."""
    size = len(data)
    view, done = data.data, 0
    while done < size:
        got = pipe.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        done += got
    return data


def _packed(wanted: Sequence[Wanted]) -> bytes:
    """Columns: a tenth of what rows take, each of which would name its class."""
    return pickle.dumps(tuple(zip(*wanted, strict=True)), protocol=5)


def _unpacked(data: bytes) -> list[Wanted]:
    return [Wanted(*row) for row in zip(*pickle.loads(data), strict=True)]


# ------------------------------------------------------------------------------------- the process


def main() -> None:
    """What a process beside a scan does, until nobody tells it more."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it decides
    # Libraries may print; what goes to the parent is nobody else's.
    questions, answers = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)
    with suppress(EOFError, BrokenPipeError):
        access, options, retry, transform = pickle.loads(_receive(questions)[0])
        decoder = Here(Sources(access, options, retry).fetch, transform)
        while True:
            _answer(answers, decoder(_unpacked(_receive(questions)[0])), transform)


def _answer(answers: IO[bytes], made: Made, transform: Transform) -> None:
    values = transform.stack(made.values) if made.places else []
    if isinstance(values, np.ndarray) and not values.dtype.hasobject:
        told = (made._replace(values=[]), values.shape, values.dtype)
        body = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        _send(answers, pickle.dumps(told, protocol=5), body)
    else:
        _send(answers, pickle.dumps((made._replace(values=values), None, None), protocol=5))
