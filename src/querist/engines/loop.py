"""Waiting for connections, processes, instants and wake-ups, in the thread that asks."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from typing import Any

React = Callable[[Any, Any, int], None]


class Loop:
    """A selector with timers. For one thread, except :meth:`wake`.

    Args:
        react: Called with the registered data, the file and the mask of what is ready.
    """

    def __init__(self, react: React) -> None:
        self.selector = selectors.DefaultSelector()
        self.woken = False
        self._react = react
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._awake, self._waker = socket.socketpair()
        self._awake.setblocking(False)
        self._waker.setblocking(False)
        self.selector.register(self._awake, selectors.EVENT_READ, None)

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
        if self._timers:
            first = self._timers[0][0]
            until = first if until is None else min(until, first)
        wait = None if until is None else max(0.0, until - time.monotonic())
        for key, mask in self.selector.select(wait):
            if key.data is None:
                self.woken = True
                with suppress(BlockingIOError):
                    self._awake.recv(4096)
            else:
                self._react(key.data, key.fileobj, mask)
        while self._timers and self._timers[0][0] <= time.monotonic():
            heappop(self._timers)[2]()

    def close(self) -> None:
        """Release the selector and the wake-up sockets."""
        self.selector.close()
        self._awake.close()
        self._waker.close()
