"""What a model says of a batch, and what the gate makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ShapeError


class Verdict(IntEnum):
    """What a gate decides: trust a prediction, ask an oracle, or take the sample for nonsense."""

    TRUST = 0
    ASK = 1
    REJECT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Mean and uncertainty for a batch of ``n`` samples.

    Attributes:
        mean: Predicted outputs, one row a sample, in the units of the labels.
        std: One standard deviation, same fields and shapes as ``mean`` (or a subset of the fields).
        members: Each committee member's outputs, where there is a committee.
    """

    mean: Batch
    std: Batch
    members: tuple[Batch, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.std.columns) and len(self.std) != len(self.mean):
            raise ShapeError(f"{len(self.mean)} means but {len(self.std)} uncertainties.")

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, indices: NDArray[np.integer] | Sequence[int]) -> Prediction:
        """The predictions of the chosen samples."""
        return self._each(lambda batch: batch.take(indices))

    def part(self, start: int, stop: int) -> Prediction:
        """The predictions of consecutive samples, views."""
        return self._each(lambda batch: batch.part(start, stop))

    def _each(self, cut: Callable[[Batch], Batch]) -> Prediction:
        members = None if self.members is None else tuple(map(cut, self.members))
        return Prediction(cut(self.mean), cut(self.std), members)

    def uncertainty(self, output: str) -> NDArray[np.float64]:
        """``(n,)`` largest uncertainty within an output, one number a sample.

        For vectors by atom, ``(atoms, 3)``, it is the maximum over atoms of the Euclidean norm;
        otherwise (a vector of three too) the maximum of the absolute values. Units of the output.

        Raises:
            ShapeError: If the model gives no uncertainty for this output.
        """
        if output not in self.std:
            raise ShapeError(f"no uncertainty of {output!r}, only of {sorted(self.std.columns)}.")
        return largest(self.std, output)


def largest(batch: Batch, name: str) -> NDArray[np.float64]:
    """``(n,)`` largest magnitude within each item; vectors by row, ``(..., 3)``, by their norm."""
    column = batch.columns[name]
    if not len(column):
        return np.zeros(0)
    vectors = column.shapes.shape[1] >= 2
    if column.is_uniform:
        return _largest(column.uniform, vectors)
    if (column.shapes[:, 1:] != column.shapes[0, 1:]).any() or (column.shapes == 0).any():
        return np.array([_largest(item[None], vectors)[0] for item in column.items()])
    values, offsets = column.rows
    return np.maximum.reduceat(_largest(values, vectors), offsets[:-1])


def _largest(values: Array, vectors: bool) -> NDArray[np.float64]:
    magnitude = np.abs(values).astype(np.float64)
    if vectors and magnitude.shape[-1] == 3:
        magnitude = np.sqrt((magnitude**2).sum(axis=-1))
    flat = magnitude.reshape(len(magnitude), -1)
    return flat.max(axis=1) if flat.shape[1] else np.zeros(len(flat))


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """The gate's decision for ``n`` samples.

    Attributes:
        verdict: ``(n,)`` int8 of :class:`Verdict`.
        score: ``(n,)`` uncertainty that was compared, units of the gated output.
    """

    verdict: NDArray[np.int8]
    score: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What a generator wants predicted: one row for each walker that is ready.

    Attributes:
        batch: ``k`` samples.
        walkers: ``(k,)`` int64, which walker proposes each.
    """

    batch: Batch
    walkers: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.walkers) != len(self.batch):
            raise ShapeError(f"{len(self.batch)} samples but {len(self.walkers)} walkers.")


class AnsweredSample(NamedTuple):
    """A durable answer on its way back to the generator that asked.

    Attributes:
        walker: Which walker's proposal it was; -1 when it was nobody's in particular.
        outputs: The label's arrays, or None when the question failed for good or was dropped.
    """

    walker: int
    sample: Sample
    outputs: Mapping[str, Array] | None


@dataclass(frozen=True, slots=True, eq=False)
class Feedback:
    """What a generator observes after a proposal.

    Attributes:
        walkers: ``(k,)`` int64, the walkers concerned, in the order of the proposal.
        prediction: The committee's prediction of the same rows; None while there is no model.
        verdicts: The gate's decision for the same rows.
        answers: Oracle answers that arrived since; their walkers need not be among ``walkers``.
        info: Small facts (model version).
    """

    walkers: NDArray[np.int64]
    prediction: Prediction | None
    verdicts: Verdicts
    answers: tuple[AnsweredSample, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
