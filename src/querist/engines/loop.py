"""Waiting for connections, processes, instants and wake-ups, in the thread that asks."""

from __future__ import annotations

import selectors
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from typing import Any

React = Callable[[Any, Any, int], None]


class BaseLoop(ABC):
    """Timers and wake-ups; how it waits for the rest is each loop's own. For one thread.

    Attributes:
        woken: Whether :meth:`wake` was called since this was last set to False.
    """

    def __init__(self) -> None:
        self.woken = False
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._awake, self._waker = socket.socketpair()
        self._awake.setblocking(False)
        self._waker.setblocking(False)

    def wake(self) -> None:
        """Make a waiting :meth:`poll` return; callable from any thread."""
        with suppress(OSError):  # full (it will wake up anyway), or closed
            self._waker.send(b"\0")

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this in a later :meth:`poll`."""
        self._number += 1
        heappush(self._timers, (time.monotonic() + seconds, self._number, action))

    def forget_timers(self) -> None:
        """Do nothing of what was planned."""
        self._timers.clear()

    def poll(self, until: float | None) -> None:
        """React to what is ready; wait for it until this instant (monotonic), None for ever."""
        timers = self._timers
        if timers:
            until = timers[0][0] if until is None else min(until, timers[0][0])
        self._wait(until)
        while timers and timers[0][0] <= time.monotonic():
            heappop(timers)[2]()

    def close(self) -> None:
        """Release the wake-up sockets."""
        self._awake.close()
        self._waker.close()

    @abstractmethod
    def _wait(self, until: float | None) -> None:
        """React to what is ready, waiting for it until then."""

    def _woke(self) -> None:
        self.woken = True
        with suppress(BlockingIOError):
            self._awake.recv(4096)


class Loop(BaseLoop):
    """Waits with a selector.

    Args:
        react: Called with the registered data, the file and the mask of what is ready.
    """

    def __init__(self, react: React) -> None:
        super().__init__()
        self.selector = selectors.DefaultSelector()
        self._react = react
        self.selector.register(self._awake, selectors.EVENT_READ, None)

    def close(self) -> None:
        """Release the selector as well."""
        self.selector.close()
        super().close()

    def _wait(self, until: float | None) -> None:
        wait = None if until is None else max(0.0, until - time.monotonic())
        for key, mask in self.selector.select(wait):
            if key.data is None:
                self._woke()
            else:
                self._react(key.data, key.fileobj, mask)
