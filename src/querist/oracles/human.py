"""A person as an oracle: what is asked, in a form that a page can show, and answers made arrays.

A person has no worker. Questions lie open until somebody answers them through the run's inbox, on
the page, from the command line, or from any program; other oracles go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Failure, Label, Outcome
from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError, ShapeError
from querist.core.roles import TaskContext
from querist.oracles.checks import AnswerCheck, Field

SHOWN = ("auto", "image", "text", "numbers", "link", "hidden")
_PICTURE, _FIELD = 8, 16  # pixels of the shorter side, from which bytes or numbers are a picture
_KEYS = ("classes", "shape", "unit", "low", "high", "one_hot", "title")


@dataclass(frozen=True, slots=True)
class Answer:
    """One output that a person is asked for.

    Attributes:
        classes: Names to choose from; none for numbers.
        shape: Of numbers; () for one.
        unit: Shown beside the number.
        low, high: Between which numbers lie.
        one_hot: A class becomes a vector with a 1 instead of its number from 0 on.
        title: Shown instead of its name.
    """

    classes: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    unit: str = ""
    low: float = -np.inf
    high: float = np.inf
    one_hot: bool = False
    title: str = ""

    @classmethod
    def of(cls, name: str, told: Any) -> Answer:
        """From what a campaign file says: classes, a shape, or a mapping of attributes.

        Raises:
            ConfigError: For anything else.
        """
        if told is None:
            return cls()
        if isinstance(told, Sequence) and not isinstance(told, str):
            is_shape = all(isinstance(one, int) for one in told)
            told = {"shape" if is_shape else "classes": told}
        if not isinstance(told, Mapping) or (unknown := sorted(set(told) - set(_KEYS))):
            what = f"has {unknown[0]!r}" if isinstance(told, Mapping) else f"is {told!r}"
            raise ConfigError(f"outputs.{name} {what}; it takes {', '.join(_KEYS)}.")
        values = dict(told)
        for key in ("classes", "shape"):
            values[key] = tuple(values.get(key, ()))
        made = cls(**values)
        if made.classes and len(set(made.classes)) < max(2, len(made.classes)):
            raise ConfigError(f"outputs.{name}: classes are two different names or more.")
        return made

    def read(self, name: str, said: Any) -> Array:
        """What was said as an array.

        Raises:
            ShapeError: If it is no answer; the sentence says what one is.
        """
        if self.classes:
            if said not in self.classes:
                shown = ", ".join(self.classes)
                raise ShapeError(f"{name!r} should be one of {shown}, got {said!r:.100}.")
            number = self.classes.index(said)
            return np.eye(len(self.classes))[number] if self.one_hot else np.array(number)
        try:
            value = np.asarray(said, np.float64)
        except (TypeError, ValueError):
            raise ShapeError(f"{name!r} should be numbers, got {said!r:.100}.") from None
        if not ((value >= self.low) & (value <= self.high)).all():
            raise ShapeError(f"{name!r} should lie between {self.low:g} and {self.high:g}.")
        return value

    def form(self, name: str) -> dict[str, Any]:
        """For a page, JSON-able."""
        limits = {"low": self.low, "high": self.high}
        return {
            "name": name,
            "title": self.title or name,
            "classes": list(self.classes),
            "shape": list(self.shape),
            "unit": self.unit,
            **{key: value for key, value in limits.items() if np.isfinite(value)},
        }


@dataclass(eq=False)
class Human:
    """People who answer when they can.

    In a campaign it has no workers: ``outside: n`` says how many questions may lie open at once. A
    question that a newer model has become certain of is withdrawn, unless somebody looks at it.

    Attributes:
        outputs: By name what is asked: ``["cat", "dog"]``, a shape, or a mapping of the attributes
            of :class:`Answer`.
        instructions: Shown above each question.
        show: By input how it is shown: image, text, numbers, link or hidden; "auto" tells it from
            shape and dtype.
        level: Part of an answer's identity, as of any oracle.
    """

    outputs: Mapping[str, Any]
    instructions: str = ""
    show: Mapping[str, str] = field(default_factory=dict)
    level: str = ""

    def __post_init__(self) -> None:
        if not self.outputs:
            raise ConfigError("outputs: name what people are asked for: {species: [cat, dog]}.")
        self._answers = {name: Answer.of(name, told) for name, told in self.outputs.items()}
        for name, how in self.show.items():
            if how not in SHOWN:
                raise ConfigError(f"show.{name} is one of {', '.join(SHOWN)}, got {how!r}.")
        fields = {name: Field(_shape(one)) for name, one in self._answers.items()}
        self._check = AnswerCheck(fields, None, self.level)

    def form(self) -> dict[str, Any]:
        """What a page needs to ask: JSON-able."""
        asked = [one.form(name) for name, one in self._answers.items()]
        return {"instructions": self.instructions, "show": dict(self.show), "outputs": asked}

    def shown(self, sample: Sample) -> dict[str, str]:
        """How each input of a sample is shown: image, text, numbers, link or hidden."""
        return {name: _how(self.show.get(name, "auto"), one) for name, one in sample.arrays.items()}

    def read(self, sample: Sample, said: Mapping[str, Any]) -> Label | Failure:
        """What somebody said of a sample as its label, or as a failure that says why it is none.

        Args:
            sample: What was asked about.
            said: By output a class's name, a number, or numbers in lists.
        """
        unknown = [name for name in said if name not in self._answers]
        if unknown:
            known = ", ".join(self._answers)
            wrong = ShapeError(f"nobody asked for {unknown[0]!r}, only for {known}.")
            return self._check(sample, _raised(wrong))
        try:
            arrays = {name: self._answers[name].read(name, value) for name, value in said.items()}
        except ShapeError as error:
            return self._check(sample, _raised(error))
        return self._check(sample, arrays)

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """Refuses: a worker cannot ask people.

        Raises:
            ConfigError: Always, with what to write instead.
        """
        raise ConfigError(
            "people have no workers: give this oracle 'outside: 20' (how many questions may lie "
            "open at once) instead of workers."
        )


def _how(wanted: str, array: Array) -> str:
    if wanted == "image" and pixels_of(array) is None:
        return "numbers"
    if wanted != "auto":
        return wanted
    if array.dtype.kind in "US":
        return "text"
    least = _PICTURE if array.dtype == np.uint8 else _FIELD
    planes = _planes(array)
    if planes is None or min(planes.shape[:2]) < least:
        return "numbers"
    return "image" if array.dtype == np.uint8 or planes.ndim == 2 else "numbers"


def pixels_of(array: Array) -> NDArray[np.uint8] | None:
    """An input as ``(h, w)`` greys or ``(h, w, 3)`` colours of a picture; None if it is none.

    Bytes are shown as they are. Of other numbers the smallest is black and the largest white; what
    is not finite is black.
    """
    planes = _planes(array)
    if planes is None:
        return None
    if planes.dtype == np.uint8:
        return np.ascontiguousarray(planes)
    values = planes.astype(np.float64)
    finite = np.isfinite(values)
    low = values[finite].min() if finite.any() else 0.0
    high = values[finite].max() if finite.any() else 0.0
    scaled = (values - low) * (255.0 / (high - low) if high > low else 0.0)
    return np.where(finite, scaled, 0.0).round().astype(np.uint8)


def _planes(array: Array) -> Array | None:
    """``(h, w)`` or ``(h, w, 3)`` values; the axis of colours may be the first or the last."""
    if array.dtype.kind not in "buif" or not array.size:
        return None
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] in (1, 3, 4):
        return array[:, :, 0] if array.shape[2] == 1 else array[:, :, :3]
    return array if array.ndim == 2 else None


def _shape(answer: Answer) -> tuple[int, ...]:
    if not answer.classes:
        return answer.shape
    return (len(answer.classes),) if answer.one_hot else ()


def _raised(error: ShapeError) -> Failure:
    from querist.oracles.checks import failure_of

    return failure_of(error)
