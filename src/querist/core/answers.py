"""Questions, answers, and the dataset that answers add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array, Batch
from querist.core.errors import ShapeError


class Purpose(StrEnum):
    """What a label is for, fixed when it is recorded: only "train" is learned from."""

    TRAIN = "train"
    HOLDOUT = "holdout"
    CALIBRATION = "calibration"
    AUDIT = "audit"


class Reason(StrEnum):
    """Why a question has no label: the one table of reasons."""

    RAISED = "raised an exception"
    TIMEOUT = "exceeded its time limit"
    MEMORY = "exceeded its memory limit"
    NOT_FINITE = "returned a value that is not finite"
    WRONG_SHAPE = "returned a wrong shape, dtype or field"
    REJECTED = "was rejected by the validator"
    EXIT_CODE = "ended with a non-zero exit status"
    WORKER_LOST = "lost its worker"
    CANCELLED = "was cancelled"
    UNSUPPORTED = "cannot represent this sample"


class Question(NamedTuple):
    """The unit that is asked, paid for and never repeated.

    Attributes:
        sample: The id of the sample.
        oracle: The name of the oracle.
        replicate: From 0; another one asks the same of a noisy oracle again.
    """

    sample: str
    oracle: str
    replicate: int = 0

    @property
    def id(self) -> str:
        """Stable text id, unique in a run."""
        return question_id(self.sample, self.oracle, self.replicate)


def question_id(sample: str, oracle: str, replicate: int = 0) -> str:
    """The id of a :class:`Question` that need not be made for it."""
    return f"{sample}.{oracle}.{replicate}"


class Label(NamedTuple):
    """A good answer: named arrays, with the level of theory that gave them.

    ``cost`` is the actual cost where the oracle knows it; None lets the campaign use the
    seconds that the call took.
    """

    outputs: Mapping[str, Array]
    level: str = ""
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that was tried and failed, as a value.

    Attributes:
        reason: The kind of failure.
        message: One sentence for a person.
        traceback: The full traceback or log tail, possibly empty.
        transient: Whether trying again may help.
    """

    reason: Reason
    message: str
    traceback: str = ""
    transient: bool = True


@dataclass(frozen=True, slots=True)
class Abstention:
    """The oracle declines (a person who is not sure)."""

    message: str = ""


Outcome = Label | Failure | Abstention


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled samples of one version; rows are in the order in which labels became durable.

    Attributes:
        inputs: ``n`` samples.
        outputs: ``n`` rows of labels.
        purposes: ``(n,)`` of :class:`Purpose` values; by default all "train".
        levels: ``(n,)`` level of theory of each label; by default all "".
        version: Labels of the campaign that it was cut from; by default the number of rows.
    """

    inputs: Batch
    outputs: Batch
    purposes: tuple[str, ...] = field(default=(), repr=False)
    levels: tuple[str, ...] = field(default=(), repr=False)
    version: int = -1

    def __post_init__(self) -> None:
        if not self.purposes:
            object.__setattr__(self, "purposes", (Purpose.TRAIN.value,) * len(self.inputs))
        if not self.levels:
            object.__setattr__(self, "levels", ("",) * len(self.inputs))
        counts = {len(self.inputs), len(self.outputs), len(self.purposes), len(self.levels)}
        if len(counts) > 1:
            each = f"{len(self.inputs)} inputs, {len(self.outputs)} outputs, {len(self.purposes)}"
            raise ShapeError(f"{each} purposes, {len(self.levels)} levels do not belong together.")
        if self.version < 0:
            object.__setattr__(self, "version", len(self.inputs))

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, *purposes: Purpose) -> NDArray[np.int64]:
        """Indices of the rows with one of these purposes."""
        return np.array([i for i, p in enumerate(self.purposes) if p in purposes], np.int64)

    def take(self, indices: NDArray[np.int64]) -> Dataset:
        """The chosen rows, same version."""
        inputs, outputs = self.inputs.take(indices), self.outputs.take(indices)
        purposes, levels = (tuple(one[i] for i in indices) for one in (self.purposes, self.levels))
        return Dataset(inputs, outputs, purposes, levels, self.version)

    def only(self, *purposes: Purpose) -> Dataset:
        """The rows with one of these purposes."""
        return self.take(self.rows(*purposes))
