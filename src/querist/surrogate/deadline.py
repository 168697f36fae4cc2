"""A deadline for calls: simulations that outlive the call that asked for them."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from queue import Empty, SimpleQueue
from typing import Any

from querist.core.answers import Outcome
from querist.core.errors import ConfigError
from querist.surrogate.working import EngineLike

Found = tuple[int, Outcome]


class Deadline:
    """Waits for simulations so long, and lets those that are late go on.

    Args:
        seconds: From the beginning of a call.
        most: Simulations of earlier calls that may be under way when others are begun.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._under_way = 0  # simulations
        self._working = 0  # threads, some of which learn from what they brought
        self._changed = threading.Condition()
        self._closed = False

    @property
    def crowded(self) -> bool:
        """Whether so much of earlier calls is under way that no more is begun."""
        return self._under_way >= self._most

    def __call__(self, found: Iterable[Found], count: int, since: float) -> Iterator[Found]:
        """What comes in time.

        Args:
            found: Simulates, and records each; in a thread of its own, to its end.
            count: How many come.
            since: When the call began, by ``time.monotonic``.

        Raises:
            Exception: Whatever ``found`` raises in time; later it is a warning.
        """
        box, gone = SimpleQueue[Found | BaseException](), threading.Event()
        with self._changed:
            self._under_way += count
            self._working += 1
        told = (found, count, box, gone)
        threading.Thread(target=self._work, args=told, name="simulations", daemon=True).start()
        try:
            for _ in range(count):
                try:
                    one = box.get(timeout=max(0.0, since + self._seconds - time.monotonic()))
                except Empty:
                    return
                if isinstance(one, BaseException):
                    raise one
                yield one
        finally:
            gone.set()

    def _work(
        self,
        found: Iterable[Found],
        count: int,
        box: SimpleQueue[Found | BaseException],
        gone: threading.Event,
    ) -> None:
        left = count
        try:
            for one in found:
                left -= 1
                with self._changed:
                    self._under_way -= 1
                box.put(one)
        # Isolation boundary: it is raised by the call, or told where the call has ended.
        except BaseException as error:  # noqa: BLE001
            if not gone.is_set():
                box.put(error)
            elif not self._closed:
                told = f"{type(error).__name__}: {error}"
                warnings.warn(f"a simulation that was late broke off: {told}", stacklevel=2)
        finally:
            with self._changed:
                self._under_way -= left
                self._working -= 1
                self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for all that are under way, and for what is learned from them.

        Returns:
            Whether all ended within so many seconds.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._working, timeout)

    def close(self) -> None:
        """What breaks off from now on was meant to."""
        self._closed = True


def deadline_of(seconds: float | None, engine: EngineLike) -> Deadline | None:
    """What waits for simulations so long; None to wait for ever.

    Raises:
        ConfigError: If simulations would keep this very thread.
    """
    if seconds is None:
        return None
    told: Mapping[str, Any] = engine if isinstance(engine, Mapping) else {"kind": engine}
    if told.get("kind") == "inline":
        raise ConfigError(
            "a simulation on the engine 'inline' keeps its caller; with a deadline give the "
            "surrogate workers of its own: engine='processes'."
        )
    return Deadline(seconds, told.get("workers", 1))
