"""The guard of every oracle's answer: what was returned becomes a label or a readable failure.

An oracle returns raw named values; :class:`AnswerCheck` turns them into a
:class:`~querist.core.answers.Label` when they are arrays of the declared fields, shapes and dtypes,
finite, in line with the atoms schema where that applies, and accepted by the validator. Everything
else becomes a :class:`~querist.core.answers.Failure` whose sentence says what was wanted and got.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from querist.core.answers import Failure, Label, Outcome, Reason
from querist.core.atoms import check_atoms
from querist.core.batch import Array, Sample, as_array
from querist.core.errors import ConfigError, OracleRejected, ShapeError, UnsupportedSample
from querist.core.roles import TaskContext, Validator
from querist.core.tasks import resolve

ATOMS_LABELS = ("energy", "forces", "stress")

# The first that fits decides. What trying again cannot change is not transient.
_REASONS: tuple[tuple[type[BaseException], Reason, bool], ...] = (
    (MemoryError, Reason.MEMORY, True),
    (TimeoutError, Reason.TIMEOUT, True),
    (UnsupportedSample, Reason.UNSUPPORTED, False),
    (OracleRejected, Reason.REJECTED, True),
    (ShapeError, Reason.WRONG_SHAPE, False),
    (BaseException, Reason.RAISED, True),
)


@dataclass(frozen=True, slots=True)
class Field:
    """What one output should look like.

    Attributes:
        shape: Sizes of its axes, None for any shape. An axis is a number, None for any size, or the
            name of an input whose first axis it follows: ``("positions", 3)`` for forces.
        dtype: For example "float64"; values that are of the same kind are converted. "" for any.
    """

    shape: tuple[int | str | None, ...] | None = None
    dtype: str = ""

    @classmethod
    def of(cls, value: Any) -> Field:
        """From a field, a shape, ``{"shape": ..., "dtype": ...}``, or None for anything."""
        if isinstance(value, Field):
            return value
        if isinstance(value, Mapping):
            shape = value.get("shape")
            return cls(None if shape is None else tuple(shape), str(value.get("dtype", "")))
        return cls(None if value is None else tuple(value))

    def fit(self, name: str, value: Array, sample: Sample) -> Array:
        """The value in the declared dtype.

        Raises:
            ShapeError: If it has another shape, or a dtype of another kind.
        """
        if self.shape is not None:
            self._check_shape(name, value, sample)
        if not self.dtype or value.dtype == np.dtype(self.dtype):
            return value
        if not np.can_cast(value.dtype, self.dtype, casting="same_kind"):
            raise ShapeError(f"{name!r} should be {self.dtype}, but is {value.dtype}.")
        return value.astype(self.dtype)

    def _check_shape(self, name: str, value: Array, sample: Sample) -> None:
        wanted = tuple(
            len(sample[axis]) if isinstance(axis, str) else axis for axis in self.shape or ()
        )
        fits = len(wanted) == value.ndim and all(
            want in (None, got) for want, got in zip(wanted, value.shape, strict=True)
        )
        if not fits:
            raise ShapeError(f"{name!r} should have the shape {wanted}, but has {value.shape}.")


Outputs = str | Sequence[str] | Mapping[str, Any] | None
"""Declared outputs: a name, names, or name to :class:`Field` (or what ``Field.of`` takes)."""


def declared(outputs: Outputs) -> dict[str, Field]:
    """Declared outputs by name; empty when nothing was declared."""
    if outputs is None:
        return {}
    if isinstance(outputs, str):
        return {outputs: Field()}
    if isinstance(outputs, Mapping):
        return {name: Field.of(value) for name, value in outputs.items()}
    return {name: Field() for name in outputs}


def callable_of(thing: Any, what: str) -> Callable[..., Any]:
    """A callable, or the one that "module:attribute" names.

    Raises:
        ConfigError: If it is neither.
        RoleFailed: If the name cannot be imported.
    """
    found = resolve(thing) if isinstance(thing, str) else thing
    if not callable(found):
        raise ConfigError(
            f"{what} should be a callable or 'package.module:attribute', but is "
            f"{type(thing).__name__} {thing!r}."
        )
    return found  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """Turns what an oracle returned for one sample into an outcome.

    Attributes:
        outputs: Declared outputs. When some are declared, all of them must be there and others are
            left out; a value that is no mapping is taken for the single declared one.
        validator: Gets the sample and its outputs; the sentence it returns, if any, refuses them.
        level: Level of theory of the labels.
        cost: Cost of one answer where it is known.
    """

    outputs: Mapping[str, Field] = field(default_factory=dict)
    validator: Validator | None = None
    level: str = ""
    cost: float | None = None

    def __call__(self, sample: Sample, raw: Any) -> Label | Failure:
        """Label the sample with ``raw`` (a mapping of values), or say why not."""
        if isinstance(raw, Label | Failure):
            return raw
        try:
            outputs = self._outputs(sample, raw)
            return self._judged(sample, outputs)
        except Exception as error:  # noqa: BLE001 - values and validators come from users
            return failure_of(error)

    def _outputs(self, sample: Sample, raw: Any) -> dict[str, Array]:
        named = self._named(raw)
        missing = [name for name in self.outputs or named if name not in named]
        if missing:
            raise ShapeError(f"the answer lacks {missing}; it has {sorted(named)}.")
        arrays = {name: _owned(named[name], name) for name in self.outputs or named}
        arrays = {n: self.outputs.get(n, Field()).fit(n, a, sample) for n, a in arrays.items()}
        return _checked_atoms(sample, arrays)

    def _named(self, raw: Any) -> Mapping[str, ArrayLike]:
        if isinstance(raw, Mapping):
            if not raw:
                raise ShapeError("the answer is an empty mapping; at least one output is needed.")
            return {str(name): value for name, value in raw.items()}
        if raw is None:
            raise ShapeError("the oracle returned None; it should return named arrays.")
        if len(self.outputs) == 1:
            return {next(iter(self.outputs)): raw}
        raise ShapeError(
            f"the oracle should return a mapping of names to arrays, but returned "
            f"{type(raw).__name__}; declare one output name to return a bare array."
        )

    def _judged(self, sample: Sample, outputs: dict[str, Array]) -> Label | Failure:
        for name, value in outputs.items():
            if value.dtype.kind in "fc" and not np.isfinite(value).all():
                count = int((~np.isfinite(value)).sum())
                return Failure(
                    Reason.NOT_FINITE,
                    f"{name!r} holds {count} of {value.size} values that are not finite.",
                )
        refused = self.validator(sample, outputs) if self.validator is not None else None
        if refused:
            return Failure(Reason.REJECTED, str(refused))
        return Label(outputs, self.level, self.cost)


def _owned(value: ArrayLike, name: str) -> Array:
    # A copy: the oracle may use its buffer again, and what it returns is given away.
    try:
        return np.array(as_array(value, name))
    except ValueError as error:
        raise ShapeError(f"{name!r} cannot be made an array: {error}") from error


def _checked_atoms(sample: Sample, outputs: dict[str, Array]) -> dict[str, Array]:
    if not {"numbers", "positions"} <= set(sample.arrays):
        return outputs
    known = {name: value for name, value in outputs.items() if name in ATOMS_LABELS}
    check_atoms({"positions": sample["positions"], **known})
    for name, value in known.items():
        outputs[name] = Field(dtype="float64").fit(name, value, sample)
    return outputs


def failure_of(error: BaseException, log: str = "") -> Failure:
    """The failure that an exception stands for, with its full traceback.

    Args:
        error: What was raised.
        log: Tail of a log, kept below the traceback.
    """
    reason, transient = next((r, t) for kind, r, t in _REASONS if isinstance(error, kind))
    plain = reason is not Reason.RAISED and str(error)
    message = str(error) if plain else describe(error)
    return Failure(reason, message, "".join(traceback.format_exception(error)) + log, transient)


def describe(error: BaseException) -> str:
    """Type and first line of an exception, and what was noted on it, for a sentence."""
    text = (str(error).strip().splitlines() or [""])[0]
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {text}{notes}" if text else type(error).__name__ + notes


def tell(context: TaskContext, count: int, index: int, outcome: Outcome) -> None:
    """Tell an outcome of a task of several questions while the others are still out."""
    if count > 1:
        context.progress({"index": index, "outcome": outcome})


CANCELLED = Failure(Reason.CANCELLED, "the task was cancelled before this sample was answered.")
