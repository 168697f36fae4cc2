"""Any ``concurrent.futures.Executor`` around an oracle: threads, processes, Parsl, Dask ..."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.answers import Failure, Label, Outcome, Reason
from querist.core.batch import Batch, Sample
from querist.core.errors import ContractError, require
from querist.core.roles import SupportsOpen, TaskContext, WorkerContext
from querist.core.tasks import ONE_CORE, Factory, Resources
from querist.oracles.checks import CANCELLED, callable_of, failure_of, tell

POLL_SECONDS = 0.05
EXECUTORS = {
    "dask": "querist.oracles.dask:DaskPool",
    "mpi": "mpi4py.futures:MPIPoolExecutor",
    "parsl": "querist.oracles.parsl:ParslPool",
    "processes": "concurrent.futures:ProcessPoolExecutor",
    "threads": "concurrent.futures:ThreadPoolExecutor",
}
# What Dask and Parsl raise for a worker that died; neither needs to be installed here.
_LOST = ("KilledWorker", "WorkerLost", "ManagerLost", "FutureCancelledError", "CommClosedError")


@dataclass(eq=False)
class ExecutorOracle:
    """Sends each sample of a task to an executor, and waits for all of them.

    The oracle travels once pickled (with cloudpickle, so that functions of a script may go too) and
    is opened and kept in every thread of every process that answers for it. An executor that was
    made here, by a factory, is made anew when it breaks or when a call in it was given up.

    Attributes:
        oracle: The oracle, or "package.module:attribute" with ``options``.
        executor: An executor, or what makes one: a name of :data:`EXECUTORS`, a callable or
            "package.module:attribute".
        options: Keyword arguments of the oracle's factory.
        executor_options: Keyword arguments of the executor's factory.
        timeout: Seconds from submission after which an answer is given up, the time in the
            executor's queue included; None waits. The call itself may go on where the executor
            cannot end it (threads).
    """

    oracle: Any
    executor: Executor | Callable[..., Executor] | str
    options: Mapping[str, Any] = field(default_factory=dict)
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    _inner: Any = field(init=False, repr=False)
    _shipped: bytes = field(init=False, repr=False)
    _running: Executor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.executor, str) and self.executor not in EXECUTORS:
            callable_of(self.executor, f"an executor ({', '.join(EXECUTORS)}, or what makes one)")
        factory = Factory.of(self.oracle, **self.options)
        self._inner = factory.create()
        if not hasattr(self._inner, "answer"):
            raise ContractError(f"{self._inner!r} is no oracle: it has no method 'answer'.")
        self._shipped = _pickled(factory if factory.target else self._inner)

    @property
    def level(self) -> str:
        """Level of theory of the oracle inside."""
        return str(getattr(self._inner, "level", ""))

    @property
    def cost(self) -> float | None:
        """Declared cost of the oracle inside."""
        cost: float | None = getattr(self._inner, "cost", None)
        return cost

    @property
    def resources(self) -> Resources:
        """What a call of the oracle inside needs."""
        resources: Resources = getattr(self._inner, "resources", ONE_CORE)
        return resources

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One outcome a sample; what has come when the task is cancelled is kept."""
        futures = [self._submit(sample, context) for sample in samples.samples()]
        pending = {future: i for i, future in enumerate(futures) if isinstance(future, Future)}
        why = self._wait(pending, context)
        outcomes = [self._collect(future, why) for future in futures]
        if self._owned and (_broken(outcomes) or any(f.running() for f in pending)):
            self._abandon()
        return outcomes

    def close(self) -> None:
        """Shut down the executor if it was made here."""
        if self._owned and self._running is not None:
            self._running.shutdown(wait=True, cancel_futures=True)
            self._running = None

    @property
    def _owned(self) -> bool:
        return not isinstance(self.executor, Executor)

    def _submit(self, sample: Sample, context: TaskContext) -> Future[Outcome] | Failure:
        worker = context.worker
        terms = Terms(worker.threads, worker.memory_mb, self.timeout, str(worker.scratch))
        # Executors that are shut down raise RuntimeError, which BrokenExecutor is, too.
        try:
            return self._open().submit(answer_remotely, self._shipped, sample, terms)
        except RuntimeError as error:
            return _lost(error)

    def _open(self) -> Executor:
        if isinstance(self.executor, Executor):
            return self.executor
        if self._running is None:
            named = EXECUTORS.get(self.executor) if isinstance(self.executor, str) else None
            if self.executor == "mpi":
                require("mpi4py.futures", "mpi", "the executor 'mpi'")
            make = callable_of(named or self.executor, "the executor of an oracle")
            self._running = make(**self.executor_options)
        return self._running

    def _wait(self, pending: Mapping[Future[Outcome], int], context: TaskContext) -> Failure:
        """Wait for all, told one by one; returns what became of those that are still out."""
        deadline = time.monotonic() + (self.timeout or float("inf"))
        left = set(pending)
        while left:
            done, left = wait(left, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = self._collect(future, CANCELLED)
                if isinstance(outcome, Label):  # others may say that the executor is broken
                    tell(context, len(pending), pending[future], outcome)
            if context.should_stop():
                return CANCELLED
            if time.monotonic() > deadline:
                break
            if left and _is_dead(self._running or self.executor):
                return _lost(RuntimeError("its manager thread ended"))
        return Failure(
            Reason.TIMEOUT, f"the executor gave no answer within {self.timeout} s of submission."
        )

    def _collect(self, future: Future[Outcome] | Failure, why: Failure) -> Outcome:
        if isinstance(future, Failure):
            return future
        if not future.done():
            _give_up(future)
            return why
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as error:
            return _lost(error)
        except Exception as error:  # noqa: BLE001 - the remote side's, or the executor's
            lost = any(kind.__name__ in _LOST for kind in type(error).__mro__)
            return _lost(error) if lost else failure_of(error)

    def _abandon(self) -> None:
        """Leave an executor that broke or whose call hangs; its processes are ended."""
        executor, self._running = self._running, None
        if executor is None:
            return
        # Before Python 3.14 there is no public way to end a hanging ProcessPoolExecutor, and it
        # would hold up the interpreter's end.
        processes = list((getattr(executor, "_processes", None) or {}).values())
        with suppress(Exception):  # isolation boundary: it is broken, in whatever way
            executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()


def _is_dead(executor: Any) -> bool:
    """Whether an executor's manager thread has ended, so that its futures never will.

    So it is with mpi4py's after a failed spawn; there is no public way to see it.
    """
    thread = getattr(getattr(executor, "_pool", None), "thread", None)
    return isinstance(thread, threading.Thread) and not thread.is_alive()


def _give_up(future: Future[Outcome]) -> None:
    """Cancel a call, where the executor can (Parsl cannot)."""
    with suppress(NotImplementedError):
        future.cancel()


def _broken(outcomes: Sequence[Outcome]) -> bool:
    return any(isinstance(o, Failure) and o.reason is Reason.WORKER_LOST for o in outcomes)


def _lost(error: BaseException) -> Failure:
    failure = failure_of(error)
    message = f"the executor lost its worker ({failure.message})."
    return Failure(Reason.WORKER_LOST, message, failure.traceback)


def _pickled(thing: Any) -> bytes:
    import cloudpickle

    # Anything may be raised by what a user's object holds; the sentence says what to do instead.
    try:
        return bytes(cloudpickle.dumps(thing))
    except Exception as error:
        raise ContractError(
            f"{thing!r} cannot be sent to an executor ({error}); give the oracle as "
            "'package.module:attribute' with options, and it is made where it is needed."
        ) from error


@dataclass(frozen=True, slots=True)
class RemoteContext:
    """The task's context in an executor's worker: it ends at a deadline, if there is one."""

    worker: WorkerContext
    deadline: float

    def should_stop(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return time.monotonic() > self.deadline

    def progress(self, data: Mapping[str, Any]) -> None:
        """Nobody listens to partial results here."""

    def now(self) -> float:
        """Seconds of this process's clock."""
        return time.monotonic()


_opened = threading.local()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call in an executor's worker may use.

    Attributes:
        threads: Threads.
        memory_mb: Memory in MiB, None for no limit.
        seconds: Time, None for no limit.
        scratch: Folder for temporary files, used where it exists (on the same host).
    """

    threads: int
    memory_mb: int | None
    seconds: float | None
    scratch: str


def answer_remotely(shipped: bytes, sample: Sample, terms: Terms) -> Outcome:
    """Answer one sample in an executor's worker, with the oracle that is kept there.

    Args:
        shipped: The pickled oracle or its factory, from the process that asks.
        sample: The sample.
        terms: What the call may use.
    """
    oracle, worker = _kept(shipped, terms)
    context = RemoteContext(worker, time.monotonic() + (terms.seconds or float("inf")))
    outcome: Outcome = oracle.answer(Batch.from_samples([sample]), context)[0]
    return outcome


def _kept(shipped: bytes, terms: Terms) -> tuple[Any, WorkerContext]:
    import cloudpickle

    kept: dict[str, tuple[Any, WorkerContext]] = _opened.__dict__.setdefault("oracles", {})
    key = hashlib.blake2b(shipped, digest_size=16).hexdigest()
    if key not in kept:
        thing = cloudpickle.loads(shipped)
        oracle = thing.create() if isinstance(thing, Factory) else thing
        worker = _worker(terms)
        if isinstance(oracle, SupportsOpen):
            oracle.open(worker)
        kept[key] = (oracle, worker)
    return kept[key]


def _worker(terms: Terms) -> WorkerContext:
    home = terms.scratch if Path(terms.scratch).is_dir() else None
    return WorkerContext(
        name=f"executor-{os.getpid()}-{threading.get_ident()}",
        index=0,
        device="cpu",
        threads=terms.threads,
        memory_mb=terms.memory_mb,
        scratch=Path(tempfile.mkdtemp(prefix="executor-", dir=home)),
        run=None,
        rng=np.random.default_rng(),
    )
