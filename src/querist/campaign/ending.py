"""What ends a run before its time: signals, and the limit of the job that it runs in."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from querist.campaign.driver import signals
from querist.core.errors import RunError

_SHARE, _LEAST, _MOST = 0.05, 10.0, 60.0  # of the limit, and seconds, that an end may take

Interrupt = Callable[[str], None]


def margin(walltime: float) -> float:
    """Seconds before the limit at which a run begins to end: 5 %, but 10 to 60 s, at most half."""
    return min(walltime / 2, max(_LEAST, min(_MOST, _SHARE * walltime)))


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run may be ended.

    Attributes:
        handle_signals: Whether signals do.
        walltime: Seconds from now on after which the process is ended from outside.
    """

    handle_signals: bool = True
    walltime: float | None = None
    _begun: float = field(default_factory=time.monotonic)
    _said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.walltime is not None and not self.walltime > 0:
            raise RunError(f"the walltime should be positive seconds, got {self.walltime!r}.")

    @property
    def out_of_time(self) -> bool:
        """Whether it was the walltime or SIGUSR1, the scheduler's warning, that ended the run."""
        late = (self._message, f"stopped by {signal.SIGUSR1.name}")
        return bool(self._said) and self._said[0] in late

    @contextmanager
    def watched(self, interrupt: Interrupt) -> Iterator[None]:
        """Call ``interrupt`` with the reason when it is time."""

        def noted(message: str) -> None:
            self._said.append(message)
            interrupt(message)

        with self._clock(noted):
            if not self.handle_signals:
                yield
                return
            with signals(noted):
                yield

    @property
    def _message(self) -> str:
        return f"stopped before the walltime of {self.walltime or 0:.4g} s"

    @contextmanager
    def _clock(self, interrupt: Interrupt) -> Iterator[None]:
        if self.walltime is None:
            yield
            return
        left = self._begun + self.walltime - margin(self.walltime) - time.monotonic()
        timer = threading.Timer(max(0.0, left), interrupt, [self._message])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
