"""Trials as a run's journal tells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from querist.core.errors import ConfigError
from querist.store.reader import JournalReader
from querist.tuning.space import Space, Values
from querist.tuning.trial import Problem, Trial

SECONDS = "seconds"


class FactLike(Protocol):
    """A record of the journal."""

    @property
    def kind(self) -> str:
        """What happened."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The facts."""

    @property
    def arrays(self) -> Mapping[str, Any]:
        """Arrays, inputs under "in/" and outputs under "out/"."""


@dataclass(slots=True)
class _Open:
    values: Values
    spent: float = 0.0


class Evidence:
    """Folds facts into trials; samples that are no points of the space are passed over.

    Args:
        problem: What is searched.
        cost: Name of the output that is a run's cost; "" for what the campaign booked (seconds).

    Attributes:
        trials: So far.
        strange: How many samples were passed over.
    """

    def __init__(self, problem: Problem, cost: str = "") -> None:
        self.problem, self._cost = problem, cost
        self.trials: list[Trial] = []
        self.strange = 0
        self._open: dict[str, _Open] = {}

    @property
    def pending(self) -> list[Values]:
        """Points that were asked and have no final answer."""
        return [one.values for one in self._open.values()]

    def add(self, facts: Iterable[FactLike]) -> None:
        """Take in facts in the journal's order."""
        for fact in facts:
            take = _TAKE.get(fact.kind)
            if take is not None:
                take(self, fact)

    def _asked(self, fact: FactLike) -> None:
        fields = {k[3:]: v for k, v in fact.arrays.items() if k.startswith("in/")}
        values = read_point(self.problem.space, fields)
        if values is None:
            self.strange += 1
        else:
            self._open[fact.data["question"]] = _Open(values)

    def _labelled(self, fact: FactLike) -> None:
        held = self._open.pop(fact.data["question"], None)
        if held is None:
            return
        arrays = {k[4:]: v for k, v in fact.arrays.items() if k.startswith("out/")}
        outputs = numbers(arrays)
        spans = fact.data.get("spans") or {}
        ran = float(spans.get("finished", 0.0)) - float(spans.get("started", 0.0))
        outputs.setdefault(SECONDS, float(fact.data.get("seconds") or ran))
        cost = outputs.get(self._cost, float(fact.data.get("cost") or 0.0) + held.spent)
        self._end(Trial(held.values, outputs, cost, ended=fact.data["t"]))

    def _failed(self, fact: FactLike) -> None:
        question, data = fact.data["question"], fact.data
        held = self._open.get(question)
        if held is None:
            return
        held.spent += float(data.get("cost") or 0.0)
        if data.get("final", True):
            del self._open[question]
            why = f"{data.get('reason', 'no answer')}: {data.get('message', '')}".rstrip(": ")
            self._end(Trial(held.values, {}, held.spent or None, why, ended=data["t"]))

    def _end(self, trial: Trial) -> None:
        self.trials.append(self.problem.judged(trial))


_TAKE = {
    "question.asked": Evidence._asked,
    "answer.label": Evidence._labelled,
    "answer.failure": Evidence._failed,
    "answer.abstention": Evidence._failed,
}


def read_point(space: Space, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The point that a sample is; None where it is none."""
    if set(fields) != set(space.settings):
        return None
    try:
        return space.read(fields)
    except ConfigError:
        return None


def numbers(arrays: Mapping[str, Any]) -> dict[str, float]:
    """Outputs that are one number."""
    found = {name: np.asarray(value) for name, value in arrays.items()}
    return {n: float(a.item()) for n, a in found.items() if a.size == 1 and a.dtype.kind in "biuf"}


class Journal:
    """Follows the journal of a run.

    Args:
        folder: Of the run.
        evidence: What takes in the facts.
    """

    def __init__(self, folder: Path, evidence: Evidence) -> None:
        self._reader, self.evidence = JournalReader(folder / "journal"), evidence
        self._given = 0

    def news(self) -> list[Trial]:
        """Trials that ended since the last call."""
        self.evidence.add(self._reader.read_new())
        found = self.evidence.trials[self._given :]
        self._given = len(self.evidence.trials)
        return found


def from_elsewhere(trial: Trial, origin: str) -> Trial:
    """A trial of another study."""
    return replace(trial, origin=origin, ended=None)
