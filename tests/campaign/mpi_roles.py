"""Oracles for jobs of several ranks; a file beside them makes them crash, once."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import time
from pathlib import Path

from querist.generators.uniform import Uniform
from querist.models.random_features import RandomFeatures

HERE = Path(__file__).resolve().parent


def lose_its_rank() -> None:
    """End this process, once."""
    trap = HERE / "rank.once"
    if trap.exists():
        trap.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class FragileUniform(Uniform):
    """A generator whose rank is lost at its third step, where it is the victim's."""

    def __init__(self, victim: str) -> None:
        super().__init__([0, 0], [2, 2])
        self.victim, self.name, self.steps = victim, "", 0

    def open(self, context) -> None:
        self.name = context.name

    def propose(self):
        self.steps += 1
        if self.name == self.victim and self.steps > 2:
            lose_its_rank()
        return super().propose()


class FragileFeatures(RandomFeatures):
    """A model whose rank is lost at its third prediction, where it is the victim's."""

    def __init__(self, victim: str, members: int) -> None:
        super().__init__(members=members, features=32)
        self.victim, self.name, self.calls = victim, "", 0

    def open(self, context) -> None:
        self.name = context.name

    def predict_members(self, batch, members):
        self.calls += 1
        if self.name == self.victim and self.calls > 2:
            lose_its_rank()
        return super().predict_members(batch, members)


def simulate(x):
    time.sleep(0.02)
    trap = HERE / "crash.once"
    if trap.exists():
        trap.unlink()
        ctypes.string_at(0)
    return math.sin(5 * x[0]) * math.exp(-x[1])


def slowly(x):
    time.sleep(0.2)
    return simulate(x)


def simulate_and_lose_its_rank(x):
    trap = HERE / "rank.once"
    if trap.exists():
        trap.unlink()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return simulate(x)
