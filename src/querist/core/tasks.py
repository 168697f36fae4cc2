"""Units of work for an engine, and the factories that open roles in its workers."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from querist.core.errors import ConfigError, RoleFailed


@dataclass(frozen=True, slots=True)
class Resources:
    """What one worker or task needs.

    Attributes:
        nodes, ranks, cores, gpus: Counts; a fraction of a GPU may be shared.
        memory_mb: Limit in MiB, None for no limit.
        wall_seconds: Longest run in seconds, None for no limit.
    """

    nodes: int = 1
    ranks: int = 1
    cores: int = 1
    gpus: float = 0
    memory_mb: int | None = None
    wall_seconds: float | None = None


ONE_CORE = Resources()
_RANK = re.compile("(OMPI_COMM_WORLD|PMIX?|MV2_COMM_WORLD|JSM_.*|FLUX_TASK)_RANK|PALS_RANKID")
_OURS = "(?!OMPI_ALLOW)"  # as root, Open MPI wants to be allowed
_THEIRS = re.compile(_OURS + "(OMPI|PMIX?|PRTE|HYDI|HYDRA|MV2_COMM|PALS|JSM|FLUX_TASK)_|MPI_LOCAL")


def without_rank(environment: Mapping[str, str]) -> dict[str, str]:
    """For a program that a rank starts: under a rank's variables it would believe to be one."""
    is_rank = any(_RANK.fullmatch(name) for name in environment)
    return {n: v for n, v in environment.items() if not (is_rank and _THEIRS.match(n))}


@dataclass(frozen=True, slots=True)
class ModelRef:
    """An immutable reference to published weights.

    Attributes:
        version: Grows by one with each publication; 0 means untrained.
        files: Names under the run's ``weights`` folder, one for each part of the committee.
        digest: Content digest over all parts.
    """

    version: int
    files: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """The first ``version`` durable labels of the run."""

    version: int


@dataclass(frozen=True, slots=True)
class Factory:
    """How to make an object in another process.

    Either ``target`` ("package.module:attribute") is imported and called with ``options``, or
    ``live`` holds the object itself (then the campaign can only be resumed from the same script).
    """

    target: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    live: Any = None

    @classmethod
    def of(cls, thing: Any, **options: Any) -> Factory:
        """A factory of a "module:attribute" string with options, a factory, or a live object."""
        if isinstance(thing, str):
            return cls(thing, options)
        if options:
            raise ConfigError(f"only an import path takes options ({[*options]}), not {thing!r}.")
        return thing if isinstance(thing, Factory) else cls(live=thing)

    @property
    def is_live(self) -> bool:
        """Whether it holds an object instead of an import path."""
        return not self.target

    def create(self) -> Any:
        """Import and call, or hand out the live object.

        Raises:
            RoleFailed: If the target cannot be imported, has no such attribute, or refuses its
                options; the cause is chained.
        """
        if self.is_live:
            return self.live
        target = resolve(self.target)
        try:
            return target(**self.options)
        except (TypeError, ValueError, ConfigError) as error:
            options = ", ".join(f"{k}={v!r}" for k, v in self.options.items()) or "no options"
            raise RoleFailed(f"{self.target} refused {options}: {error}") from error


def resolve(target: str) -> Any:
    """Import "package.module:attribute"; RoleFailed if it has another form or is not there."""
    module, separator, attribute = target.partition(":")
    if not (module and separator and attribute):
        raise RoleFailed(f"{target!r} should look like 'package.module:attribute'.")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # a user's module may raise anything
        raise RoleFailed(f"cannot import {module!r} for {target!r}: {error!r}") from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise RoleFailed(f"module {module!r} has no attribute {attribute!r}.")
        found = getattr(found, name)
    return found


class Task(NamedTuple):
    """One unit of work.

    Attributes:
        id: Unique within a run, over resumes.
        kind: Open set: "explore", "predict", "label", "fit", "score", "select", "evaluate" ...
        pool: Name of the worker pool that runs it.
        payload: Plain values, batches, samples and references (never open resources).
        resources: What it needs, where that differs from its pool's.
        timeout: Seconds of run time after which its controller will cancel it.
        attempt: 1 for the first try.
        items: How many items it holds (its results may be partial, item by item).
        owner: The controller it belongs to; engines share workers between owners by weight.
    """

    id: str
    kind: str
    pool: str
    payload: Mapping[str, Any] = {}  # nobody writes into a task's
    resources: Resources | None = None
    timeout: float | None = None
    attempt: int = 1
    items: int = 1
    owner: str = ""


class Spans(NamedTuple):
    """Instants of a task, in seconds of campaign time, and its CPU seconds.

    Attributes:
        submitted: When the engine got it.
        started, finished: When the worker began and ended it, on the controller's clock.
        received: When the controller's side had the result.
        cpu: CPU seconds of the worker in between (children included).
    """

    submitted: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    received: float = 0.0
    cpu: float = 0.0

    @property
    def seconds(self) -> float:
        """Run time."""
        return self.finished - self.started


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A named group of equal workers.

    Attributes:
        name: For example "oracle.xtb", "explorer.0", "trainer".
        handler: Makes the object whose ``run(task, context)`` does the work, in the worker.
        count: How many workers.
        resources: Of each worker.
        depth: Tasks that may wait in a worker, so that it never waits for its next one.
        threads: Threads each worker may use; 0 lets the engine divide the cores.
        party: Workers of pools with the same party may talk to each other; "" for none.
    """

    name: str
    handler: Factory
    count: int = 1
    resources: Resources = ONE_CORE
    depth: int = 2
    threads: int = 0
    party: str = ""
