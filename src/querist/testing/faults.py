"""Roles that go wrong once, in a way of one's choice, and what a run has lost by it.

Each is importable, so that a campaign file can name it: ``querist.testing.faults:FaultyOracle``.
The roles of a run share one log. They note in it what they did, each line on the disk before they
go on, so it is evidence of its own: :func:`evidence` holds the run's journal against it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from querist.core.answers import Dataset, Label, Outcome
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.prediction import Feedback, Prediction, Proposal
from querist.core.roles import FitRequest, FitResult, TaskContext, WorkerContext
from querist.models.random_features import RandomFeatures
from querist.store.run_folder import RunFolder

_HANG = 3600.0  # seconds
_FIT = 0.3  # seconds of a fit that is going to be hit


class Note(NamedTuple):
    """A line of the log: when (Unix seconds), "begin", "end" or "fault", and of what."""

    at: float
    word: str
    what: str


def notes(log: Path | str, word: str = "") -> list[Note]:
    """Lines of a log, of one word or all; a line that was being written counts as not there."""
    file = Path(log)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = [line.split() for line in text.split("\n")[:-1]]
    found = [Note(float(at), said, what) for at, said, what in lines]
    return [line for line in found if word in ("", line.word)]


class Plan:
    """When to go wrong, and how: at one moment of a whole run, whichever processes it has.

    Args:
        log: The run's log; what is beside it under the name ``LOG.repaired`` ends all faults.
        after: Answers that the oracle gave before.
        times: How often; 0 always, until repaired.
    """

    def __init__(self, log: str, after: int = 12, times: int = 1) -> None:
        self._log, self._after, self._times = Path(log), after, times

    def note(self, word: str, what: str) -> None:
        """One line, written with one system call and synced."""
        line = f"{time.time():.6f} {word} {what}\n"
        descriptor = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def due(self, what: str) -> bool:
        """Whether it is to go wrong now; it is noted."""
        count = Counter(line.word for line in notes(self._log))
        if count["end"] < self._after or repaired(self._log).exists():
            return False
        if self._times and not self._claim(count["fault"]):
            return False
        self.note("fault", what)
        return True

    def _claim(self, number: int) -> bool:
        """Several processes may see that it is due; as many take it as are meant to."""
        if number >= self._times:
            return False
        try:
            self._log.with_suffix(f".{number}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def repaired(log: Path | str) -> Path:
    """The file whose existence ends all faults of a log's roles."""
    return Path(log).with_suffix(".repaired")


def _raise() -> None:
    raise RuntimeError("the self-consistent field did not converge")


def _crash() -> None:
    ctypes.string_at(0)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(_HANG)


WAYS: dict[str, Callable[[], None]] = {
    "raise": _raise,
    "hang": lambda: time.sleep(_HANG),
    "segfault": _crash,
    "kill": _kill,
    "kill-parent": _kill_parent,
}
ANSWERS: dict[str, Callable[[], Label]] = {
    "nan": lambda: Label({"y": np.array(np.nan)}),
    "shape": lambda: Label({"y": np.zeros((2, 2))}),
}


def _check_way(way: str, known: Mapping[str, Any]) -> None:
    if way and way not in known:
        raise ConfigError(f"the way to fail should be one of {', '.join(known)}, got {way!r}.")


class FaultyOracle:
    """A smooth function of two variables that takes its time.

    Args:
        log: Of the run.
        way: To go wrong: one of ``WAYS`` or ``ANSWERS``; "" for never.
        seconds: That an answer takes.
        after, times: As for :class:`Plan`.
    """

    def __init__(
        self, log: str, way: str = "", seconds: float = 0.05, after: int = 12, times: int = 1
    ) -> None:
        _check_way(way, {**WAYS, **ANSWERS})
        self._plan, self._way, self._seconds = Plan(log, after, times), way, seconds

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """A label for each, once it is in the log."""
        del context
        return [self._one(samples.sample(index)) for index in range(len(samples))]

    def _one(self, sample: Any) -> Label:
        self._plan.note("begin", sample.id)
        time.sleep(self._seconds)
        if self._way and self._plan.due(sample.id):
            if self._way in ANSWERS:
                return ANSWERS[self._way]()
            WAYS[self._way]()
        x = sample["x"]
        label = Label({"y": np.array(np.sin(3 * x[0]) * np.exp(-(x[1] ** 2)))})
        self._plan.note("end", sample.id)
        return label


class FaultyWalkers:
    """Random points in the square from -2 to 2, eight at a time.

    Args:
        log: Of the run.
        way: To go wrong: one of ``WAYS``; "" for never.
        pause: Seconds that a step takes.
        after, times: As for :class:`Plan`.
    """

    def __init__(
        self, log: str, way: str = "", pause: float = 0.005, after: int = 12, times: int = 1
    ) -> None:
        _check_way(way, WAYS)
        self._plan, self._way, self._pause = Plan(log, after, times), way, pause

    def open(self, context: WorkerContext) -> None:
        """Take the worker's randomness."""
        self._rng = context.rng

    def propose(self) -> Proposal:
        """Eight new points."""
        time.sleep(self._pause)
        if self._way and self._plan.due("generator"):
            WAYS[self._way]()
        return Proposal(Batch.stack(x=self._rng.uniform(-2, 2, (8, 2))), np.arange(8))

    def observe(self, feedback: Feedback) -> None:
        """Points do not depend on what is thought of them."""


class FaultyModel(RandomFeatures):
    """A small committee that can go wrong.

    Args:
        log: Of the run.
        predict, fit: The way in which these go wrong: one of ``WAYS``; "" for never.
        after, times: As for :class:`Plan`.
    """

    def __init__(
        self, log: str, predict: str = "", fit: str = "", after: int = 12, times: int = 1
    ) -> None:
        super().__init__(members=4, features=32)
        _check_way(predict, WAYS)
        _check_way(fit, WAYS)
        self._plan, self._ways = Plan(log, after, times), {"predict": predict, "fit": fit}

    def predict(self, batch: Batch) -> Prediction:
        """As :meth:`RandomFeatures.predict`."""
        self._go_wrong("predict")
        return super().predict(batch)

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """As :meth:`RandomFeatures.fit`."""
        if self._ways["fit"]:
            time.sleep(_FIT)
            self._go_wrong("fit")
        return super().fit(dataset, request)

    def _go_wrong(self, where: str) -> None:
        way = self._ways[where]
        if way and self._plan.due(where):
            WAYS[way]()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What became of the oracle's answers.

    Attributes:
        labels: Labels in the journal.
        lost: Samples whose answer the oracle gave, or that had a label before, and that have none.
        twice: Samples that were asked again although they had a durable label.
        repeated: Answers that were given before and had to be asked for again.
    """

    labels: int
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    repeated: int


class Durable(NamedTuple):
    """What a journal held at some moment, and the length of the log then."""

    notes: int
    samples: frozenset[str]


def durable(log: Path | str, run: Path | str) -> Durable:
    """What the journal of a run holds now, to be given to :func:`evidence` later."""
    length = len(notes(log))  # first: what is begun later was begun in sight of the journal
    return Durable(length, frozenset(_labelled(run)))


def evidence(log: Path | str, run: Path | str, before: Sequence[Durable] = ()) -> Evidence:
    """Hold the journal of a run that has ended against the log of its oracle.

    Args:
        log: Of the run's roles.
        run: Its folder.
        before: What was durable at earlier moments at which the run stood still.
    """
    lines, labels = notes(log), _labelled(run)
    answered = Counter(line.what for line in lines if line.word == "end")
    expected = set(answered).union(*(then.samples for then in before))
    twice = {
        line.what
        for then in before
        for line in lines[then.notes :]
        if line.word == "begin" and line.what in then.samples
    }
    lost = expected - set(labels)
    repeated = sum(answered.values()) - len(answered)
    return Evidence(len(labels), tuple(sorted(lost)), tuple(sorted(twice)), repeated)


def _labelled(run: Path | str) -> list[str]:
    if not (Path(run) / "manifest.json").exists():
        return []
    facts = RunFolder(run).journal_reader().read_new()
    return [str(fact.data["sample"]) for fact in facts if fact.kind == "answer.label"]
