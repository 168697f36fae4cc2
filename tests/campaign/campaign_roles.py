"""Roles of the campaign's tests; importable in workers."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np

from querist.core.answers import Label
from querist.core.batch import Batch
from querist.core.prediction import Prediction, Proposal
from querist.core.roles import FitResult, ModelState


class Line:
    """One walker that goes right by one each step; remembers all that it observes."""

    def __init__(self, start: float = 0.0, pause: float = 0.0, last: float = np.inf) -> None:
        self.x, self.pause, self.last = start, pause, last
        self.seen: list = []
        self.infos: list[int] = []
        self.threads: set[int] = set()

    def propose(self) -> Proposal:
        self.threads.add(threading.get_ident())
        time.sleep(self.pause)
        if self.x >= self.last:
            return Proposal(Batch.stack(x=np.zeros((0, 1))), np.zeros(0, np.int64))
        return Proposal(Batch.stack(x=[[self.x]]), np.zeros(1, np.int64))

    def observe(self, feedback) -> None:
        self.threads.add(threading.get_ident())
        if "version" in feedback.info:
            self.infos.append(feedback.info["version"])
        if feedback.answers:
            self.seen.extend(feedback.answers)
        if len(feedback.walkers):
            self.x += 1.0

    def state(self):
        return {"x": np.array(self.x)}, {}

    def restore(self, arrays, data) -> None:
        self.x = float(arrays["x"])


class Waiting(Line):
    """Waits at each point until it gets an answer or there is a newer model."""

    waits = False
    version = 0

    def propose(self) -> Proposal:
        if self.waits:
            return Proposal(Batch.stack(x=np.zeros((0, 1))), np.zeros(0, np.int64))
        return super().propose()

    def observe(self, feedback) -> None:
        version = feedback.info.get("version", self.version)
        if version > self.version:
            self.waits = False
        self.version = version
        if feedback.answers:
            self.waits = False
        if len(feedback.walkers):
            self.waits = True
        super().observe(feedback)

    def state(self):
        return {"x": np.array(self.x)}, {"waits": self.waits, "version": self.version}

    def restore(self, arrays, data) -> None:
        super().restore(arrays, data)
        self.waits, self.version = data["waits"], data["version"]


class Bomb(Line):
    """Raises at every step from the second on, until it is defused."""

    live = True

    def propose(self) -> Proposal:
        if self.live and self.x >= 1:
            raise RuntimeError("boom")
        return super().propose()


class Mean:
    """Predicts the mean of its labels; the uncertainty is the first input's magnitude."""

    def __init__(self) -> None:
        self.mean, self.loads = 0.0, 0

    def predict(self, batch: Batch) -> Prediction:
        x = np.asarray(batch["x"], np.float64).reshape(len(batch), -1)
        mean = Batch.stack(y=np.full(len(batch), self.mean))
        return Prediction(mean, Batch.stack(y=np.abs(x[:, 0])))

    def fit(self, dataset, request) -> FitResult:
        rows = dataset.outputs["y"]
        state = ModelState({"mean": np.array(rows.mean())}, {"purposes": list(dataset.purposes)})
        return FitResult(state, {"rows": len(rows), "bad": float("nan")})

    def load(self, state: ModelState) -> None:
        self.mean, self.loads = float(state.arrays["mean"]), self.loads + 1


class Deaf:
    """Lacks the method that an oracle needs."""

    def reply(self, samples) -> None:
        pass


class Picky:
    """Takes options."""

    def __init__(self, table: str, *, width: float = 1.0) -> None:
        self.table, self.width = table, width

    def answer(self, samples, context):
        return []


class Marking:
    """An oracle that writes down which process one of its workers is."""

    def __init__(self, mark: str, worker: str) -> None:
        self.mark, self.worker = Path(mark), worker

    def answer(self, samples, context):
        if context.worker.name == self.worker and not self.mark.exists():
            self.mark.write_text(str(os.getpid()))
        time.sleep(0.2)
        return [Label({"y": 2.0 * x[0]}) for x in samples["x"]]


def square(x):
    return {"y": float(np.sum(np.asarray(x) ** 2))}


def odd(sample, outputs):
    return "odd answers are refused" if int(outputs["y"]) % 2 else None


def odd_validator():
    return odd
