"""What all formats share: names of fields, the atoms schema, joining, files that appear whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from querist.core.answers import Dataset, Purpose
from querist.core.atoms import INPUTS, check_atoms
from querist.core.batch import Array, Batch, Column
from querist.core.errors import ConfigError, ShapeError
from querist.sources.nearest import nearest

Names = Mapping[str, str] | Sequence[str] | None
"""Which fields: names, or our name -> the file's name; None for those the format tells."""

OUTPUTS = ("energy", "forces", "stress")
DTYPES: Mapping[str, type] = {
    **dict.fromkeys(("positions", "cell", "charge", *OUTPUTS), np.float64),
    **dict.fromkeys(("numbers", "multiplicity"), np.int64),
    "pbc": np.bool_,
}
DEFAULTS: Mapping[str, Array] = {
    "cell": np.zeros((3, 3)),
    "pbc": np.zeros(3, np.bool_),
    "charge": np.zeros(()),
    "multiplicity": np.ones((), np.int64),
}
_SCALARS = ("energy", "charge", "multiplicity")


def named(names: Names) -> dict[str, str]:
    """Our name -> the file's name."""
    if isinstance(names, str):
        names = [names]
    return dict(names) if isinstance(names, Mapping) else {name: name for name in names or ()}


def choose(path: Path, keys: Collection[str], inputs: Names, outputs: Names) -> tuple[Any, Any]:
    """Which keys of a file of named arrays are inputs and which are outputs.

    Those asked for; or those named ``input.x`` and ``output.y``; or those of the atoms schema.

    Returns:
        For inputs and for outputs, a dictionary: our name -> key.

    Raises:
        ConfigError: If a key is missing, or nothing tells.
    """
    return (
        _choose(path, keys, "input", INPUTS, inputs),
        _choose(path, keys, "output", OUTPUTS, outputs),
    )


def _choose(
    path: Path, keys: Collection[str], kind: str, schema: Sequence[str], names: Names
) -> dict[str, str]:
    prefix = f"{kind}."
    if names is not None:
        asked = named(names)
        chosen = {our: key if key in keys else prefix + key for our, key in asked.items()}
    else:
        own = {key[len(prefix) :]: key for key in keys if key.startswith(prefix)}
        chosen = own or {name: name for name in schema if name in keys}
    for our, key in chosen.items():
        if key not in keys:
            asked_for = named(names)[our]
            hint = nearest(asked_for, keys)
            raise ConfigError(f"{path} has no {asked_for!r}; it has {sorted(keys)}.{hint}")
    if not chosen:
        raise ConfigError(
            f"nothing in {path} says what is an {kind}. Name fields '{prefix}<name>', or say which "
            f"of {sorted(keys)} are, with {kind}s=[...] or {kind}s={{our name: its name}}."
        )
    return chosen


def labelled(
    path: Path,
    inputs: Batch,
    outputs: Batch,
    purposes: Iterable[Any] = (),
    levels: Iterable[Any] = (),
) -> Dataset:
    """A dataset whose values were checked.

    Atoms get the dtypes and scalars of the schema, so that the same content has the same id,
    whatever file it came from.

    Raises:
        ConfigError: At a wrong shape, a value that is not finite, or an unknown purpose; it names
            the sample.
    """
    if atoms := _atoms(inputs):
        try:
            inputs, outputs = _as_schema(inputs), _as_schema(outputs)
        except ShapeError as error:
            raise ConfigError(f"{path}: {error}") from error
        _check(path, inputs, outputs)
    # Tables may have gaps in their inputs, and models that live with them.
    for batch in (inputs, outputs) if atoms else (outputs,):
        _check_finite(path, batch)
    purposes = tuple(str(purpose) or Purpose.TRAIN.value for purpose in purposes)
    known = [purpose.value for purpose in Purpose]
    for purpose in set(purposes) - set(known):
        raise ConfigError(f"{path}: no purpose {purpose!r}; it should be one of {known}.")
    try:
        return Dataset(inputs, outputs, purposes, tuple(str(level) for level in levels))
    except ShapeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _as_schema(batch: Batch) -> Batch:
    columns = {name: _as_field(name, column) for name, column in batch.columns.items()}
    return Batch(columns, batch.keys, batch.uris)


def _as_field(name: str, column: Column) -> Column:
    shapes = column.shapes
    if name in _SCALARS and shapes.shape[1] == 1 and (shapes == 1).all():
        shapes = shapes[:, :0]  # (n, 1), as many tables have it
    dtype = DTYPES.get(name, column.data.dtype)
    data = column.data.astype(dtype, copy=False)
    if data.dtype.kind in "ib" and (data != column.data).any():
        raise ShapeError(f"{name!r} should hold whole numbers or booleans, but has others.")
    return Column(data, column.offsets, shapes)


def _check(path: Path, inputs: Batch, outputs: Batch) -> None:
    for index in range(min(len(inputs), len(outputs))):
        try:
            check_atoms({**inputs.arrays(index), **outputs.arrays(index)})
        except ShapeError as error:
            raise ConfigError(f"{path}, sample {index}: {error}") from error


def _check_finite(path: Path, batch: Batch) -> None:
    for name, column in batch.columns.items():
        if column.data.dtype.kind not in "fc" or np.isfinite(column.data).all():
            continue
        first = int(np.flatnonzero(~np.isfinite(column.data))[0])
        index = int(np.searchsorted(column.offsets, first, side="right")) - 1
        raise ConfigError(
            f"{path}, sample {index}: {name!r} is not finite. Leave such samples out."
        )


def filled(rows: Sequence[Mapping[str, ArrayLike]]) -> Batch:
    """One batch of samples of atoms, of which some may lack optional fields.

    A field that one sample has, all get: no periodic direction, charge 0, multiplicity 1.
    """
    present = set().union(*rows)
    missing = {name: value for name, value in DEFAULTS.items() if name in present}
    return Batch.of([{**missing, **row} for row in rows])


def join(parts: Sequence[Dataset], names: Sequence[str]) -> Dataset:
    """The labels of several files as one dataset; optional fields of atoms are filled.

    Args:
        parts: At least one.
        names: Of each part, for errors.

    Raises:
        ConfigError: If they differ in other fields, or in the number of axes of one.
    """
    pairs = [(name, part) for name, part in zip(names, parts, strict=True) if len(part)]
    names, held = [name for name, _ in pairs], [part for _, part in pairs]
    inputs = aligned([part.inputs for part in held])
    for kind, batches in (("inputs", inputs), ("outputs", [part.outputs for part in held])):
        fields = [sorted(batch.columns) for batch in batches]
        for name, found in zip(names, fields, strict=True):
            if found != fields[0]:
                raise ConfigError(
                    f"{names[0]} has the {kind} {fields[0]}, but {name} has {found}. Read each "
                    f"with the fields that all have, {kind}=[...]."
                )
    try:
        return Dataset(
            Batch.concatenate(inputs),
            Batch.concatenate(part.outputs for part in held),
            tuple(purpose for part in held for purpose in part.purposes),
            tuple(level for part in held for level in part.levels),
        )
    except ShapeError as error:
        raise ConfigError(f"{', '.join(names)} cannot be joined: {error}") from error


def aligned(batches: Sequence[Batch]) -> list[Batch]:
    """The same samples; optional fields of atoms that one batch has, all have, with defaults."""
    present = set().union(*(batch.columns for batch in batches))
    return [_with_defaults(batch, present) for batch in batches]


def _with_defaults(batch: Batch, present: set[str]) -> Batch:
    missing = [n for n in DEFAULTS if n in present and n not in batch] if _atoms(batch) else []
    if not missing:
        return batch
    added = {n: Column.stack(np.stack([DEFAULTS[n]] * len(batch))) for n in missing}
    return Batch({**batch.columns, **added}, uris=batch.uris)


def _atoms(batch: Batch) -> bool:
    return {"numbers", "positions"} <= set(batch.columns)


def require_atoms(dataset: Dataset, format: str) -> None:
    """Raise ConfigError if the inputs are not those of the atoms schema."""
    found = set(dataset.inputs.columns)
    if not _atoms(dataset.inputs) or found - set(INPUTS):
        raise ConfigError(
            f"{format} holds atoms ({', '.join(INPUTS)}), but the inputs are {sorted(found)}. "
            "Write npz or parquet, which hold anything."
        )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden path beside ``path`` to be written; it replaces ``path`` when all went well."""
    hidden = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        yield hidden
        os.replace(hidden, path)
    finally:
        if hidden.is_dir():
            shutil.rmtree(hidden)
        hidden.unlink(missing_ok=True)
