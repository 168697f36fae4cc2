"""Any optimiser with ``ask`` and ``tell``, fed with predictions where they are trusted."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as held
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError, ContractError
from querist.core.prediction import AnsweredSample, Feedback, Proposal, Verdict
from querist.core.tasks import Factory, resolve

Floats = NDArray[np.float64]
FREE, ASKED, DONE = range(3)


@dataclass(eq=False)
class AskTell:
    """Asks an optimiser for points, and tells it their values once all of them are known.

    A trusted point gets the value that the model predicts, an uncertain one waits for the oracle's
    answer (or for a newer model that trusts it), and a rejected or failed one gets ``penalty``.
    While there is no model, all wait.

    To continue after a crash the optimiser is made anew, asked and told as before, so it should be
    deterministic (give it a seed) and given as a factory.

    Attributes:
        optimiser: Has ``ask(n)`` (or ``ask()``) that returns points, and ``tell(points, values)``
            to be minimised: a function or class that makes it, or "package.module:attribute".
        batch: How many points to ask for; the optimiser may give another number.
        output: The scalar output that is optimised, where there is no ``objective``.
        objective: What is optimised: a function of one sample's outputs by name, predicted or
            answered, that returns a number; or "package.module:attribute". Generators with
            objectives of their own share a model so.
        field: Name of the sample's array.
        maximise: Whether larger is better; values are told with the opposite sign.
        penalty: Value told of points without a value.
        options: Keyword arguments of the factory.
    """

    optimiser: Any
    batch: int = 8
    output: str = "y"
    objective: Callable[[Mapping[str, Array]], float] | str | None = None
    field: str = "x"
    maximise: bool = False
    penalty: float = float("inf")
    options: Mapping[str, Any] = held(default_factory=dict)
    _made: Any = held(default=None, init=False, repr=False)
    _points: Floats | None = held(default=None, init=False, repr=False)
    _values: Floats = held(init=False, repr=False)
    _status: NDArray[np.int8] = held(init=False, repr=False)
    _version: int = held(default=0, init=False, repr=False)
    _spare: Any = held(default=None, init=False, repr=False)  # asked ahead, never told
    _ahead: list[Floats] = held(default_factory=list, init=False, repr=False)
    _told: list[tuple[Floats, Floats]] = held(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.objective, str):
            self.objective = resolve(self.objective)
        if self.objective is not None and not callable(self.objective):
            raise ConfigError(
                f"objective is a function of outputs or its import path, not {self.objective!r}."
            )
        self._make()

    def propose(self) -> Proposal:
        """The points of this round whose value is not known yet and that nobody was asked for."""
        self._next_round()
        free = np.flatnonzero(self._status == FREE)
        return Proposal(Batch.stack(**{self.field: self._current[free]}), free)

    def observe(self, feedback: Feedback) -> None:
        """Note values; when the round is complete, tell them and ask for the next."""
        self._next_round()  # a newer model may be heard of before anything was proposed
        for answer in feedback.answers:
            self._answered(answer)
        version = int(feedback.info.get("version", self._version))
        if version > self._version:  # a newer model may trust what waits for an answer
            self._status[self._status == ASKED] = FREE
        self._version = version
        if feedback.prediction is None:
            self._status[feedback.walkers] = ASKED
        elif len(feedback.walkers):
            self._predicted(feedback)
        self._next_round()

    def _predicted(self, feedback: Feedback) -> None:
        assert feedback.prediction is not None
        columns = feedback.prediction.mean.columns.items()
        verdicts = zip(feedback.walkers, feedback.verdicts.verdict, strict=True)
        for row, (walker, verdict) in enumerate(verdicts):
            if verdict == Verdict.ASK:
                self._status[walker] = max(self._status[walker], ASKED)
            elif self._status[walker] == FREE:
                said = {name: column.item(row) for name, column in columns}
                self._note(int(walker), self._value(said) if verdict == Verdict.TRUST else None)

    def _answered(self, answer: AnsweredSample) -> None:
        known = self._points is not None and 0 <= answer.walker < len(self._status)
        if not known or self._points is None or self._status[answer.walker] == DONE:
            return
        if np.array_equal(answer.sample[self.field], self._points[answer.walker]):
            outputs = answer.outputs
            self._note(answer.walker, None if outputs is None else self._value(outputs))

    def _value(self, outputs: Mapping[str, Array]) -> float:
        if self.objective is None:
            return float(np.asarray(outputs[self.output]).reshape(()))
        assert callable(self.objective)
        return float(self.objective(outputs))

    def _note(self, walker: int, value: Any) -> None:
        sign = -1.0 if self.maximise else 1.0
        self._values[walker] = self.penalty if value is None else sign * float(value)
        self._status[walker] = DONE

    def _next_round(self) -> None:
        if self._points is not None and (self._status == DONE).all():
            self._tell(self._points, self._values)
            self._points = None
        if self._points is None:
            self._begin(_asked(self._made, self.batch))

    @property
    def _current(self) -> Floats:
        assert self._points is not None
        return self._points

    def _begin(self, points: Floats) -> None:
        self._points = points
        self._values = np.full(len(points), np.nan)
        self._status = np.full(len(points), FREE, np.int8)

    def _tell(self, points: Floats, values: Floats) -> None:
        self._told.append((points, values))
        self._made.tell(points.copy(), values.copy())

    def _make(self) -> None:
        if isinstance(self.optimiser, str):
            made = Factory.of(self.optimiser, **self.options).create()
        elif isinstance(self.optimiser, type) or not hasattr(self.optimiser, "ask"):
            made = self.optimiser(**self.options) if callable(self.optimiser) else self.optimiser
        else:
            made = self.optimiser
        lacking = [name for name in ("ask", "tell") if not hasattr(made, name)]
        if lacking:
            raise ContractError(f"{made!r} is no optimiser: it has no {' and no '.join(lacking)}.")
        self._made, self._spare = made, None

    def initial(self, count: int) -> Batch:
        """The points of this round, and of rounds after it as if nothing was told meanwhile.

        Each call goes on after the last one: those whose questions failed are to be replaced.
        """
        self._next_round()
        if self._spare is None:
            self._spare, self._ahead = copy.deepcopy(self._made), list(self._current)
        while len(self._ahead) < count:
            self._ahead.extend(_asked(self._spare, self.batch))
        points, self._ahead = self._ahead[:count], self._ahead[count:]
        return Batch.stack(**{self.field: np.stack(points)}) if points else Batch({})

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """Everything that the optimiser was told, and the round that is under way."""
        self._next_round()
        arrays: dict[str, Array] = {
            "points": self._current.copy(),
            "values": self._values.copy(),
            "status": self._status.copy(),
        }
        for number, (points, values) in enumerate(self._told):
            arrays |= {f"told/{number}/points": points, f"told/{number}/values": values}
        return arrays, {"rounds": len(self._told), "version": self._version}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Make the optimiser anew and tell it again what it was told.

        Raises:
            ConfigError: If the optimiser was given as an object, and that object was used already.
        """
        used, before = self._points is not None, self._made
        self._make()
        if used and self._made is before:
            raise ConfigError(
                f"{before!r} was told things already and cannot be made anew; give AskTell a "
                "function that makes the optimiser."
            )
        self._told, self._version = [], int(data["version"])
        for number in range(int(data["rounds"])):
            _asked(self._made, self.batch)
            points, values = (arrays[f"told/{number}/{name}"] for name in ("points", "values"))
            self._tell(np.array(points, np.float64), np.array(values, np.float64))
        _asked(self._made, self.batch)
        self._begin(np.array(arrays["points"], np.float64))
        self._values = np.array(arrays["values"], np.float64)
        self._status = np.array(arrays["status"], np.int8)


def _asked(optimiser: Any, count: int) -> Floats:
    takes_count = bool(inspect.signature(optimiser.ask).parameters)
    points = np.array(optimiser.ask(count) if takes_count else optimiser.ask(), np.float64)
    if points.ndim == 0 or not len(points):
        raise ContractError(f"{optimiser!r}.ask gave no points, but {points!r}.")
    return points
