"""Looking at processes from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest


class Look:
    @staticmethod
    def wait_for(good: Callable[[], object], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not good():
            assert time.monotonic() < end, "gave up"
            time.sleep(0.005)

    @staticmethod
    def alive(pid: int) -> bool:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return False

    @staticmethod
    def children(pid: int) -> set[int]:
        with suppress(psutil.NoSuchProcess):
            return {child.pid for child in psutil.Process(pid).children(recursive=True)}
        return set()


@pytest.fixture
def look() -> Look:
    """Functions: whether a process lives, its descendants, waiting for something."""
    return Look()
