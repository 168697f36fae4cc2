"""Fields of one shape each, flattened side by side into the columns of a matrix, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Array, Batch, Column
from querist.core.errors import RunError, ShapeError, UnsupportedSample

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields make up a matrix, in which order and of which shapes.

    Attributes:
        names: Fields, in the order of their columns.
        shapes: The shape of one sample's array, for each field.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, batch: Batch, names: Sequence[str] | None, who: str) -> Fields:
        """Read the shapes from a batch; without names, all of its fields in alphabetical order.

        Raises:
            ShapeError: If there is no such field, or its shape changes from sample to sample.
        """
        chosen = sorted(batch.columns) if names is None else list(names)
        if not chosen:
            raise ShapeError(f"{who} was given samples without any field.")
        shapes = [_uniform(batch, name, who).shape[1:] for name in chosen]
        return cls(tuple(chosen), tuple(shapes))

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of each field."""
        return tuple(int(np.prod(shape, dtype=np.int64)) for shape in self.shapes)

    @property
    def width(self) -> int:
        """Columns of all fields together."""
        return sum(self.widths)

    def matrix(self, batch: Batch, who: str) -> Matrix:
        """The ``(n, width)`` matrix of ``n`` samples, a copy in float64.

        Raises:
            ShapeError: If a field is missing, is not numeric, or has another shape.
            UnsupportedSample: If a value is not finite; the sentence has the samples' ids.
        """
        if not len(batch):
            return np.zeros((0, self.width))
        fields = zip(self.names, self.shapes, strict=True)
        return np.concatenate([self._part(batch, *field, who) for field in fields], axis=1)

    def _part(self, batch: Batch, name: str, shape: tuple[int, ...], who: str) -> Matrix:
        values = _uniform(batch, name, who)
        if values.shape[1:] != shape:
            raise ShapeError(
                f"{who} wants {name!r} of the shape {shape} a sample, but got {values.shape[1:]}."
            )
        if values.dtype.kind not in "biuf":
            raise ShapeError(
                f"{who} wants numbers in {name!r}, but got the dtype {values.dtype}; encode it as "
                "numbers, leave the field out, or take a model of classes (committee, "
                "torch_classifier)."
            )
        flat = np.asarray(values, np.float64).reshape(len(values), -1)
        refuse_not_finite(flat, name, batch, who)
        return flat

    def split(self, matrix: Matrix) -> Batch:
        """The fields that an ``(n, width)`` matrix holds."""
        starts = np.cumsum(self.widths)[:-1]
        parts = np.split(matrix, starts, axis=1)
        shapes = [(len(matrix), *shape) for shape in self.shapes]
        named = zip(self.names, shapes, parts, strict=True)
        return Batch({name: Column.stack(part.reshape(shape), name) for name, shape, part in named})

    def metadata(self) -> list[list[Any]]:
        """What JSON can hold; :meth:`from_metadata` reads it back."""
        return [[name, list(shape)] for name, shape in zip(self.names, self.shapes, strict=True)]

    @classmethod
    def from_metadata(cls, metadata: Sequence[Sequence[Any]]) -> Fields:
        """Read what :meth:`metadata` gave."""
        names = tuple(str(name) for name, _ in metadata)
        return cls(names, tuple(tuple(map(int, shape)) for _, shape in metadata))


def _uniform(batch: Batch, name: str, who: str) -> Array:
    if name not in batch:
        raise ShapeError(f"{who} wants the field {name!r}, but got {sorted(batch.columns)}.")
    column = batch.columns[name]
    if not column.is_uniform:
        sizes = sorted({tuple(map(int, shape)) for shape in column.shapes})[:3]
        raise ShapeError(
            f"{who} wants {name!r} of one shape in all samples, but got {sizes} ...; describe the "
            "samples by a vector of fixed length, or use a model for samples of any size."
        )
    return column.uniform


def refuse_not_finite(values: Matrix, name: str, batch: Batch, who: str) -> None:
    """Refuse ``(n, width)`` values of a field where one is NaN or infinite.

    Raises:
        UnsupportedSample: With the field, the rows and the samples' ids.
    """
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        shown = ", ".join(f"row {i} ({batch.sample(int(i)).id})" for i in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise UnsupportedSample(
            f"{who} wants finite values, but {name!r} is not finite in {shown}{more}; leave these "
            "samples out."
        )


def refuse_coinciding(batch: Batch, who: str) -> None:
    """Refuse samples of the atoms schema of which two atoms are at the same place.

    Nothing is differentiable there, and one such label spoils the weights of all.

    Raises:
        UnsupportedSample: With the row and the sample's id.
    """
    for row, places in enumerate(batch.columns["positions"].items()):
        if len(np.unique(places, axis=0)) < len(places):
            raise UnsupportedSample(
                f"{who} cannot learn from two atoms at the same place, which are in row {row} "
                f"({batch.sample(row).id}); leave this sample out, and let the gate reject such: "
                "filters: [{use: min_distance}]."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """The rows to learn from, as matrices.

    Attributes:
        inputs, outputs: Which fields the columns hold.
        X: ``(n, d)`` inputs.
        Y: ``(n, q)`` outputs.
    """

    inputs: Fields
    outputs: Fields
    X: Matrix
    Y: Matrix

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        inputs: Sequence[str] | None,
        outputs: Sequence[str] | None,
        who: str,
    ) -> Training:
        """The rows of purpose "train", checked.

        Raises:
            RunError: If there are none.
            ShapeError: If a field is missing, ragged or not numeric.
            UnsupportedSample: If a value is not finite.
        """
        rows = training_rows(dataset, who)
        x, y = Fields.of(rows.inputs, inputs, who), Fields.of(rows.outputs, outputs, who)
        labels = Batch(rows.outputs.columns, rows.inputs.ids)
        return cls(x, y, x.matrix(rows.inputs, who), y.matrix(labels, who))

    def metadata(self) -> dict[str, Any]:
        """The fields, as JSON can hold them."""
        return {"inputs": self.inputs.metadata(), "outputs": self.outputs.metadata()}


def training_rows(dataset: Dataset, who: str) -> Dataset:
    """The rows of purpose "train".

    Raises:
        RunError: If there are none.
    """
    rows = dataset.only(Purpose.TRAIN)
    if not len(rows):
        raise RunError(f"{who} has nothing to fit: none of {len(dataset)} labels is for training.")
    return rows


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """Shift and scale of columns, so that each has mean 0 and standard deviation 1.

    Attributes:
        mean: ``(d,)``.
        std: ``(d,)``; for columns that do not vary the largest of their field, 1 if there is none.
    """

    mean: Matrix
    std: Matrix

    @classmethod
    def of_fields(cls, values: Matrix, fields: Fields) -> Scaler:
        """From ``(n, d)`` values, one mean and one deviation for all columns of a field."""
        parts = np.split(values, np.cumsum(fields.widths)[:-1], axis=1)
        own = [cls.of(part.reshape(-1, 1)) for part in parts]
        mean, std = (
            np.repeat([float(v[0]) for v in held], fields.widths)
            for held in zip(*((one.mean, one.std) for one in own), strict=True)
        )
        return cls(mean, std)

    @classmethod
    def of(cls, values: Matrix, fields: Fields | None = None) -> Scaler:
        """From ``(n, d)`` values; a field's columns have one unit, without fields each has its own.

        What is rounding hangs on the unit alone: femtoseconds in seconds vary, too.
        """
        mean, std = values.mean(axis=0), values.std(axis=0)
        ends = np.cumsum((1,) * len(std) if fields is None else fields.widths)
        for begin, end in zip((0, *ends[:-1]), ends, strict=True):
            own, sizes = std[begin:end], np.abs(values[:, begin:end])
            varies = own > 1e-12 * sizes.max(initial=0.0)
            own[~varies] = own[varies].max() if varies.any() else 1.0
        return cls(mean, std)

    @classmethod
    def none(cls, width: int) -> Scaler:
        """One that leaves ``width`` columns as they are."""
        return cls(np.zeros(width), np.ones(width))

    def apply(self, values: Matrix) -> Matrix:
        """To mean 0 and standard deviation 1."""
        return (values - self.mean) / self.std

    def undo(self, values: Matrix) -> Matrix:
        """Back to the units of the data."""
        return values * self.std + self.mean

    def take(self, members: slice | list[int]) -> Scaler:
        """Those of some members, of ``(M, 1, d)``."""
        return Scaler(self.mean[members], self.std[members])

    def arrays(self, prefix: str) -> dict[str, Array]:
        """As named arrays."""
        return {f"{prefix}mean": self.mean, f"{prefix}std": self.std}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], prefix: str) -> Scaler:
        """Read what :meth:`arrays` gave."""
        mean, std = arrays[f"{prefix}mean"], arrays[f"{prefix}std"]
        return cls(np.asarray(mean, np.float64), np.asarray(std, np.float64))
