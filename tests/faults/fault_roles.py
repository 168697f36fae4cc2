"""Roles of the fault tests: importable in workers, and copied beside campaign files."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time

import numpy as np

from querist.core.answers import Label
from querist.core.batch import Batch
from querist.core.prediction import Proposal


def note(log: str, *words: object) -> None:
    """One line, written with one system call."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    os.close(descriptor)


class Walkers:
    """Random points, with a count of its steps in its state.

    Args:
        log: Notes what was saved and restored.
        pause: Seconds that a step takes.
    """

    def __init__(self, log: str = "", pause: float = 0.002) -> None:
        self.log, self.pause, self.steps = log, pause, 0

    def open(self, context) -> None:
        self.rng = context.rng
        self.note("opened")

    def note(self, word: str) -> None:
        if self.log:
            note(self.log, word, self.steps)

    def propose(self) -> Proposal:
        time.sleep(self.pause)
        self.steps += 1
        return Proposal(Batch.stack(x=self.rng.uniform(-2, 2, (8, 2))), np.arange(8))

    def observe(self, feedback) -> None:
        pass

    def state(self):
        self.note("saved")
        return {"steps": np.array(self.steps)}, {}

    def restore(self, arrays, data) -> None:
        self.steps = int(arrays["steps"])
        self.note("restored")


class Logged:
    """An expensive function: a command that sleeps, with a log of calls.

    Args:
        log: Where calls are noted.
        seconds: Least and most seconds of a call.
        gate: A file that every call waits for; "" for none.
    """

    def __init__(self, log: str = "", seconds=(0.05, 0.3), gate: str = "") -> None:
        self.log, self.seconds, self.gate = log, seconds, gate

    def answer(self, samples, context):
        return [self.one(sample) for sample in samples.samples()]

    def one(self, sample):
        note(self.log, "begin", sample.id)
        while self.gate and not os.path.exists(self.gate):  # noqa: PTH110
            time.sleep(0.01)
        low, high = self.seconds
        share = int(sample.id[:4], 16) / 0xFFFF
        subprocess.run(["sleep", str(low + share * (high - low))], check=True)
        x = sample["x"]
        note(self.log, "end", sample.id)
        return Label({"y": np.array(np.sin(3 * x[0]) * np.exp(-(x[1] ** 2)))})


class Ways:
    """Samples numbered 0, 1, 2 ...; each number fails in its own way, see :func:`fail`."""

    def __init__(self, count: int = 40) -> None:
        self.count, self.next = count, 0

    @property
    def exhausted(self) -> bool:
        return self.next >= self.count

    def propose(self) -> Proposal:
        self.next += 1
        number = self.next - 1
        return Proposal(
            self.numbered([number] if number < self.count else []),
            np.arange(1)[: self.count - number],
        )

    def observe(self, feedback) -> None:
        pass

    def initial(self, count: int) -> Batch:
        numbers = range(self.next, min(self.count, self.next + count))
        self.next = numbers.stop
        return self.numbered(numbers)

    @staticmethod
    def numbered(numbers) -> Batch:
        return Batch.stack(x=np.array([[float(number)] for number in numbers]).reshape(-1, 1))


def raised():
    raise ValueError("no such geometry")


def left():
    raise SystemExit(4)


WAYS = (
    raised,
    lambda: time.sleep(60),
    lambda: {"y": np.nan},
    lambda: {"y": np.zeros((2, 2))},
    lambda: ctypes.string_at(0),
    lambda: os._exit(3),
    lambda: {"y": np.ones(2**30).sum()},
    lambda: {"y": 1000.0},
    left,
    lambda: {"energy": 1.0},
)


def fail(x):
    """Fails in the way that the sample's number says; numbers above 9 are good."""
    way = int(x[0])
    return WAYS[way]() if way < len(WAYS) else {"y": x[0] ** 2}


def unlikely(sample, outputs):
    """A validator."""
    return "the energy is above the dissociation limit" if outputs["y"] > 990 else None


class Crooked:
    """An oracle that breaks its contract."""

    def answer(self, samples, context):
        way = int(samples["x"][0, 0]) % 5
        if way == 0:
            return None
        if way == 1:
            return [{"y": 1.0}]
        if way == 2:
            return [Label({"y": np.array([object()])})]
        if way == 3:
            return []
        return [Label({"y": np.array(1.0)})]


class BadFit:
    """A model that cannot be fitted."""

    def predict(self, batch):
        raise AssertionError("nothing was fitted")

    def fit(self, dataset, request):
        raise ArithmeticError("the matrix is singular")

    def load(self, state) -> None:
        pass


class BadPredict(BadFit):
    """A model that can be fitted and then not used."""

    def fit(self, dataset, request):
        from querist.core.roles import FitResult, ModelState

        return FitResult(ModelState({"n": np.array(len(dataset))}))

    def predict(self, batch):
        raise ArithmeticError("the descriptor is not finite")


class BadGenerator(Walkers):
    """Raises once there is a model."""

    def propose(self) -> Proposal:
        if self.steps >= 3:
            raise RuntimeError("the thermostat exploded")
        return super().propose()


class BadStart:
    """A role that cannot be made."""

    def __init__(self) -> None:
        raise OSError("the licence server does not answer")

    def answer(self, samples, context):
        raise AssertionError


def square(x):
    """A quick and good oracle."""
    return {"y": float(x @ x)}


def slow_square(x):
    """A slower one."""
    time.sleep(0.1)
    return {"y": float(x @ x)}


def unlikely_factory():
    """Makes the validator."""
    return unlikely


def fail_always(x):
    """Never answers."""
    raise ConnectionError("the queue system is down")
