"""What all engines share: opening a handler in its worker, running a task, wording a failure."""

from __future__ import annotations

import difflib
import shutil
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from querist.core.answers import Failure, Reason
from querist.core.errors import (
    ContractError,
    MissingExtra,
    OracleRejected,
    RoleFailed,
    RunError,
    UnsupportedSample,
)
from querist.core.roles import Handler, SupportsClose, SupportsOpen, TaskContext, WorkerContext
from querist.core.tasks import Factory, PoolSpec, Task

P = TypeVar("P")

_LONGEST = 100_000  # characters of a traceback that are kept
_REASONS: tuple[tuple[type[BaseException], Reason], ...] = (
    (MemoryError, Reason.MEMORY),
    (OracleRejected, Reason.REJECTED),
    (UnsupportedSample, Reason.UNSUPPORTED),
)
_LASTING = (UnsupportedSample, ContractError, MissingExtra, RoleFailed, ImportError)


class Site:
    """Where an engine opens its workers: run folder, scratch folder, seed.

    Args:
        run: The run's folder, None when nothing is kept.
        scratch: Folder under which each worker gets one of its own; None for a temporary one,
            which :meth:`clear` removes.
        seed: Of the workers' streams of randomness.
    """

    def __init__(self, run: Path | None, scratch: Path | str | None, seed: int) -> None:
        self.run = run
        self.seed = seed
        self.temporary = scratch is None
        self._scratch = None if scratch is None else Path(scratch).absolute()

    @property
    def scratch(self) -> Path:
        """The folder above the workers' own ones; made when first asked for."""
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="querist-"))
        return self._scratch

    def context(self, spec: PoolSpec, index: int, life: int = 0) -> WorkerContext:
        """The context of a pool's worker number ``index`` in its ``life``-th replacement.

        Device and threads are those of a plain worker: "cpu", and what its pool asks for or 1.
        """
        name = worker_name(spec.name, index)
        folder = self.scratch / name
        folder.mkdir(parents=True, exist_ok=True)
        entropy = [self.seed, zlib.crc32(spec.name.encode()), index, life]
        return WorkerContext(
            name=name,
            index=index,
            device="cpu",
            threads=spec.threads or 1,
            memory_mb=spec.resources.memory_mb,
            scratch=folder,
            run=self.run,
            rng=np.random.default_rng(entropy),
        )

    def clear(self) -> None:
        """Remove the scratch folder if it is a temporary one."""
        if self.temporary and self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None


class LocalContext:
    """The :class:`~querist.core.roles.TaskContext` of a handler in the engine's own process."""

    __slots__ = ("_clock", "_sink", "worker")

    def __init__(
        self,
        worker: WorkerContext,
        clock: Callable[[], float],
        sink: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.worker = worker
        self._clock = clock
        self._sink = sink

    def should_stop(self) -> bool:
        """Never: whoever could cancel waits for the task to end."""
        return False

    def progress(self, data: Mapping[str, Any]) -> None:
        """Keep a partial result; it is delivered when the task has ended."""
        self._sink(data)

    def now(self) -> float:
        """Seconds of campaign time."""
        return self._clock()


def worker_name(pool: str, index: int) -> str:
    """Name of a pool's worker number ``index``; its replacements keep it."""
    return f"{pool}-{index}"


def open_handler(factory: Factory, context: WorkerContext) -> Handler:
    """Make a handler and open it.

    Raises:
        RoleFailed: If it cannot be imported or refuses its options.
        ContractError: If it has no method ``run``.
    """
    made = factory.create()
    if not callable(getattr(made, "run", None)):
        raise ContractError(
            f"a handler needs a method run(task, context), but {factory.target or made!r} "
            f"made a {type(made).__name__} without one."
        )
    if isinstance(made, SupportsOpen):
        made.open(context)
    return cast("Handler", made)


def close_handler(handler: Handler) -> None:
    """Let a handler release what it holds; what it raises is printed, for the work is done."""
    if isinstance(handler, SupportsClose):
        try:
            handler.close()
        # Isolation boundary: it is anyone's code.
        except Exception:  # noqa: BLE001
            sys.stderr.write(f"{type(handler).__name__} could not be closed well:\n")
            traceback.print_exc()


def perform(handler: Handler, task: Task, context: TaskContext) -> Mapping[str, Any] | Failure:
    """Run one task; what it raises comes back as a failure."""
    try:
        result: object = handler.run(task, context)
    # Isolation boundary: a handler is anyone's code, and calls exit() as well.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return failure_of(error)
    if isinstance(result, Mapping):
        return result
    return Failure(
        Reason.WRONG_SHAPE,
        f"a handler returns a mapping, but that of pool {task.pool!r} returned "
        f"{type(result).__name__}.",
        transient=False,
    )


def failure_of(error: BaseException) -> Failure:
    """An exception as a value: its reason, one sentence, its traceback."""
    reason = next((r for kind, r in _REASONS if isinstance(error, kind)), Reason.RAISED)
    return Failure(
        reason,
        "".join(traceback.format_exception_only(error)).strip(),
        "".join(traceback.format_exception(error))[-_LONGEST:],
        transient=not isinstance(error, _LASTING),
    )


def no_workers(pool: str, story: str) -> Failure:
    """The failure of a task whose pool has lost all its workers for good."""
    return Failure(
        Reason.WORKER_LOST,
        f"pool {pool!r} has no workers left, and none can be started: {last_line(story)}",
        story,
        transient=False,
    )


def last_line(text: str) -> str:
    """The last line that says something; of a traceback, the exception."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason is known."


def unknown_pool(name: str, pools: Iterable[str]) -> RunError:
    """The error for a pool that does not exist."""
    known = sorted(pools)
    close = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return RunError(f"there is no pool {name!r}; the pools are {known}.{hint}")


def pool_for(task: Task, pools: Mapping[str, P], there: Container[str]) -> P:
    """The pool of a task that is submitted.

    Args:
        task: That is submitted.
        pools: By name.
        there: Ids of the tasks that have not ended.

    Raises:
        RunError: If there is no such pool, or such a task already.
    """
    pool = pools.get(task.pool)
    if pool is None:
        raise unknown_pool(task.pool, pools)
    if task.id in there:
        raise RunError(f"task {task.id!r} was submitted already and has not ended.")
    return pool


def check_pools(specs: Iterable[PoolSpec], known: Iterable[str], parties: bool = False) -> None:
    """Refuse pools that cannot be started.

    Args:
        specs: Of the pools.
        known: Names that are taken.
        parties: Whether the engine can join workers.

    Raises:
        RunError: If a name is taken, a count, depth or number of threads makes no sense, or workers
            cannot be joined.
    """
    names = set(known)
    for spec in specs:
        if spec.name in names:
            raise RunError(f"there are two pools of the name {spec.name!r}; names are unique.")
        if spec.count < 0 or spec.depth < 0 or spec.threads < 0:
            raise RunError(
                f"pool {spec.name!r} needs count >= 0, depth >= 0 and threads >= 0, got "
                f"{spec.count}, {spec.depth} and {spec.threads}."
            )
        if spec.party and not parties:
            raise RunError(
                f"workers of the pool {spec.name!r} should talk to each other (party "
                f"{spec.party!r}), which this engine cannot do; use the engine 'mpi'."
            )
        names.add(spec.name)
