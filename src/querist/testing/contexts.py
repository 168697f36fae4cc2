"""A task's context without an engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.roles import WorkerContext


@dataclass(slots=True)
class LoneContext:
    """What a handler may use, for a call by hand.

    Attributes:
        worker: The worker's context.
        stop: Asked by ``should_stop``.
        sent: Partial results that were sent.
    """

    worker: WorkerContext
    stop: Callable[[], bool] = lambda: False
    sent: list[Mapping[str, Any]] = field(default_factory=list)

    def should_stop(self) -> bool:
        """Whether to stop."""
        return self.stop()

    def progress(self, data: Mapping[str, Any]) -> None:
        """Keep a partial result."""
        self.sent.append(data)

    def now(self) -> float:
        """Seconds of a monotonic clock."""
        return time.monotonic()


def worker_context(scratch: Path, seed: int = 0, **changes: Any) -> WorkerContext:
    """A worker's context: one thread of the CPU, no run folder.

    Args:
        scratch: Its folder.
        seed: Of its randomness.
        changes: Other attributes than these.
    """
    told: dict[str, Any] = {
        "name": "lone-0",
        "index": 0,
        "device": "cpu",
        "threads": 1,
        "memory_mb": None,
        "scratch": scratch,
        "run": None,
        "rng": np.random.default_rng(seed),
    }
    return WorkerContext(**{**told, **changes})


def lone_context(scratch: Path, seed: int = 0, **changes: Any) -> LoneContext:
    """A task's context for a call by hand; see :func:`worker_context`."""
    return LoneContext(worker_context(scratch, seed, **changes))
