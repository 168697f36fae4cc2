"""Stands for a simulation of hours."""

from __future__ import annotations

import math
import time


def simulate(x):
    """A damped wave, and a pause."""
    time.sleep(0.2)
    return math.sin(5 * x[0]) * math.exp(-x[1])
