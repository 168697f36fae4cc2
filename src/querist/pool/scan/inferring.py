"""One batch through the model; an item that the model cannot take fails alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import RunError
from querist.models.inference import Inference

_ALONE = 3  # items that are refused one after the other before the model is blamed


class Inferred(NamedTuple):
    """What came of a batch.

    Attributes:
        good: ``(m,)`` places of the items that have outputs.
        outputs: By need, their ``(m, ...)`` outputs.
        failed: Places of the others, and a sentence for each.
    """

    good: NDArray[np.int64]
    outputs: Mapping[str, NDArray[Any]]
    failed: list[tuple[int, str]]


def infer(model: Inference, batch: Any, wanted: frozenset[str]) -> Inferred:
    """Run a batch; where that fails, run halves for want of memory, or single items.

    Raises:
        RunError: Or whatever the model raised, if it refuses items one after the other.
    """
    count = len(batch)
    try:
        return Inferred(np.arange(count), model.infer(batch, wanted), [])
    except MemoryError:
        if count == 1:
            raise
        return _joined([_half(model, batch, wanted, part) for part in (0, 1)])
    except Exception as error:
        if count == 1:
            raise
        return _one_by_one(model, batch, wanted, error)


def _half(model: Inference, batch: Any, wanted: frozenset[str], which: int) -> Inferred:
    middle = len(batch) // 2
    found = infer(model, batch[middle:] if which else batch[:middle], wanted)
    shift = middle if which else 0
    return Inferred(found.good + shift, found.outputs, [(a + shift, m) for a, m in found.failed])


def _one_by_one(model: Inference, batch: Any, wanted: frozenset[str], error: Exception) -> Inferred:
    parts: list[Inferred] = []
    for at in range(len(batch)):
        try:
            made = model.infer(batch[at : at + 1], wanted)
            parts.append(Inferred(np.array([at]), made, []))
        except Exception as refused:  # noqa: BLE001 - isolation boundary: any model's code
            parts.append(Inferred(np.zeros(0, np.int64), {}, [(at, _sentence(refused))]))
            if len(parts) >= _ALONE and all(part.failed for part in parts):
                raise error from None
    if all(part.failed for part in parts):
        raise error
    return _joined(parts)


def _sentence(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return f"The model refused it: {text.splitlines()[0][:300]}"


def _joined(parts: list[Inferred]) -> Inferred:
    good = [part for part in parts if len(part.good)]
    if not good:
        raise RunError("the model gave nothing for a whole batch.")
    outputs = {
        name: np.concatenate([np.asarray(part.outputs[name]) for part in good])
        for name in good[0].outputs
    }
    failed = [one for part in parts for one in part.failed]
    return Inferred(np.concatenate([part.good for part in good]), outputs, failed)
