"""Timers, wake-ups and files."""

from __future__ import annotations

import selectors
import socket
import threading
import time

from querist.engines.loop import Loop


def test_timers_go_off_in_order_and_not_before_their_time() -> None:
    loop, seen = Loop(lambda *_: None), []
    begun = time.monotonic()
    loop.after(0.02, lambda: seen.append(2))
    loop.after(0.0, lambda: seen.append(1))
    loop.after(60.0, lambda: seen.append(3))
    while len(seen) < 2:
        loop.poll(None)
    assert seen == [1, 2]
    assert time.monotonic() >= begun + 0.02
    loop.forget_timers()
    loop.poll(time.monotonic())
    assert seen == [1, 2]
    loop.close()


def test_what_is_ready_is_reacted_to() -> None:
    seen = []
    loop = Loop(lambda data, file, mask: seen.append((data, file.recv(10), mask)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.selector.register(ours, selectors.EVENT_READ, "me")
        theirs.send(b"hello")
        loop.poll(None)
        loop.close()
    assert seen == [("me", b"hello", selectors.EVENT_READ)]


def test_any_thread_may_wake_it_even_too_often_or_too_late() -> None:
    loop = Loop(lambda *_: None)
    thread = threading.Thread(target=lambda: [loop.wake() for _ in range(2000)])
    thread.start()
    loop.poll(None)
    assert loop.woken
    thread.join()
    loop.close()
    loop.wake()
