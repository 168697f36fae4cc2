"""What a trainer gives back, and what all of them do to labels and files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from querist.core.errors import ConfigError, ShapeError

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model.

    Attributes:
        settings: For :func:`querist.models.inference.open_inference`; they name the files written.
        metrics: Numbers by name, such as "validation.accuracy"; "validation." is of rows that the
            weights were not fitted to.
    """

    settings: Mapping[str, Any]
    metrics: Mapping[str, float]


def write_state(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write a state as safetensors, so that a reader finds all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not ascontiguousarray, which turns a number into a list of one.
    held = {name: np.array(array, order="C") for name, array in arrays.items()}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(held, draft)
    os.replace(draft, path)
    return path


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a state file.

    Raises:
        ConfigError: If there is none, or it is no safetensors file.
    """
    try:
        found: dict[str, NDArray[Any]] = load_file(path)
    except Exception as error:  # of the file system, or of safetensors
        raise ConfigError(f"{path} cannot be read as safetensors: {error}") from error
    return found


def class_codes(labels: Sequence[Any] | NDArray[Any], classes: Sequence[str]) -> NDArray[np.int64]:
    """``(n,)`` numbers of labels that are names of classes, or such numbers already.

    Raises:
        ShapeError: If there is a label that is neither.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or not len(array):
        raise ShapeError(f"training wants one label an item, but got the shape {array.shape}.")
    if array.dtype.kind in "iu":
        codes = array.astype(np.int64)
    else:
        numbers = {name: at for at, name in enumerate(classes)}
        unknown = sorted({str(label) for label in array} - set(numbers))
        if unknown:
            raise ShapeError(
                f"the labels {', '.join(unknown[:5])} are none of the classes {', '.join(classes)}."
            )
        codes = np.array([numbers[str(label)] for label in array], np.int64)
    if codes.min() < 0 or codes.max() >= len(classes):
        raise ShapeError(
            f"labels count {len(classes)} classes from 0, but there is {codes.max()} or "
            f"{codes.min()}."
        )
    return codes


def class_weights(codes: NDArray[np.int64], count: int, how: Any) -> Vector:
    """``(C,)`` weight of each class in the loss, 1 on average over the rows.

    Args:
        codes: ``(n,)``.
        count: C.
        how: None for none; "balanced": each class present weighs the same in all; or C weights.

    Raises:
        ShapeError: If there are not C of them.
    """
    if how is None:
        return np.ones(count)
    rows = np.bincount(codes, minlength=count).astype(float)
    if how == "balanced":
        weights = np.divide(1.0, rows, out=np.zeros(count), where=rows > 0)
    else:
        weights = np.asarray(how, float)
        if weights.shape != (count,) or (weights < 0).any():
            raise ShapeError(f"class weights are {count} numbers from 0, but got {how!r}.")
    total = float((weights * rows).sum())
    return weights * (len(codes) / total) if total > 0 else np.ones(count)


def set_aside(
    count: int, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to fit to and rows to judge by, drawn at random; of fewer than 5, none are set aside."""
    order = rng.permutation(count)
    aside = max(1, round(share * count)) if share > 0.0 and count >= 5 else 0
    return np.sort(order[aside:]), np.sort(order[:aside])


def judged(probabilities: Vector, codes: NDArray[np.int64], prefix: str) -> dict[str, float]:
    """Accuracy, log loss and expected calibration error (15 bins, Guo et al. 2017)."""
    if not len(codes):
        return {}
    own = probabilities[np.arange(len(codes)), codes].astype(float)
    right = probabilities.argmax(axis=1) == codes
    sure = probabilities.max(axis=1)
    bins = np.minimum((sure * 15).astype(int), 14)
    gaps = [abs((right[bins == b] - sure[bins == b]).sum()) for b in range(15)]
    return {
        f"{prefix}.rows": float(len(codes)),
        f"{prefix}.accuracy": float(right.mean()),
        f"{prefix}.log_loss": float(-np.log(np.maximum(own, 1e-300)).mean()),
        f"{prefix}.calibration_error": float(sum(gaps) / len(codes)),
    }
