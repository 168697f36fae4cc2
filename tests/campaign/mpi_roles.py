"""Oracles for jobs of several ranks; a file beside them makes them crash, once."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def simulate(x):
    time.sleep(0.02)
    trap = HERE / "crash.once"
    if trap.exists():
        trap.unlink()
        ctypes.string_at(0)
    return math.sin(5 * x[0]) * math.exp(-x[1])


def simulate_and_lose_its_rank(x):
    trap = HERE / "rank.once"
    if trap.exists():
        trap.unlink()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return simulate(x)
