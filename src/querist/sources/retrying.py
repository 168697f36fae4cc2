"""Trying again: how often, how long to wait, and when to stop."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from querist.sources.source import SourceError

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Retry:
    """How transient failures are tried again.

    The wait before try n is drawn uniformly from 0 to ``min(longest, first * 2**(n - 2))`` seconds
    ("full jitter", so that many readers do not come back at once), and is at least what the source
    asked for in Retry-After.

    Attributes:
        tries: In all; 1 for no second one.
        first: Seconds, the upper end of the first wait.
        longest: Seconds; a source that asks for more than this is given up at once.
        total: Seconds for all tries and waits of one read together; no try starts after that.
    """

    tries: int = 4
    first: float = 0.5
    longest: float = 20.0
    total: float = 300.0

    def wait(self, tried: int, asked: float, draw: float) -> float:
        """Seconds to wait after ``tried`` tries; ``draw`` is uniform in [0, 1)."""
        return max(asked, draw * min(self.longest, self.first * 2.0 ** (tried - 1)))


@dataclass
class Retrier:
    """Calls with retries; any number of threads, all of which :meth:`stop` ends.

    Attributes:
        retry: How.
        clock: Seconds, monotonic.
        draw: Uniform in [0, 1).
    """

    retry: Retry
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = field(default_factory=lambda: random.Random().random)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work`` returns; raise its last error when there is no further try."""
        attempts: Attempts | None = None
        while True:
            try:
                return work(*args, **kwargs)
            except SourceError as error:
                attempts = attempts or self.attempts()
                if not attempts.again(error):
                    raise

    def attempts(self) -> Attempts:
        """The count of one undertaking."""
        return Attempts(self, self.clock())

    def pause(self, seconds: float) -> bool:
        """Wait; False if :meth:`stop` was called."""
        return not self._stopped.wait(seconds)

    def stop(self) -> None:
        """End all waits; nothing is tried again from now on."""
        self._stopped.set()


@dataclass
class Attempts:
    """What one undertaking has tried."""

    retrier: Retrier
    started: float
    tried: int = 0

    def again(self, error: SourceError) -> bool:
        """Whether to try again after this error; waits until then."""
        retry, self.tried = self.retrier.retry, self.tried + 1
        if not error.transient or self.tried >= retry.tries or error.wait > retry.longest:
            return False
        wait = retry.wait(self.tried, error.wait, self.retrier.draw())
        if self.retrier.clock() - self.started + wait > retry.total:
            return False
        return self.retrier.pause(wait)
