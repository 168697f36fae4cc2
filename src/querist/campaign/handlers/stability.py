"""How much a model's predictions moved since the model before it; no label is needed for that."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.prediction import Prediction


def signals(now: Prediction, before: Prediction | None, output: str) -> dict[str, float | None]:
    """What stopping rules may want to know of the gated output.

    Args:
        now: The newest model's predictions of the hold-out.
        before: The model's before it of the first of the same samples; None if unknown.
        output: The gated output.

    Returns:
        ``<output>.uncertainty``: mean uncertainty. Where the model before is known, of classes
        ``<output>.kappa``: Cohen's kappa of the two models' classes, and ``<output>.change``: the
        share of samples whose class is another; of numbers ``<output>.change``: the root mean
        squared difference, and ``<output>.shift``: see :func:`shift`.
    """
    found: dict[str, float | None] = {}
    if output in now.std and len(now):
        found[f"{output}.uncertainty"] = float(now.uncertainty(output).mean())
    if before is not None and len(before) and output in now.mean and output in before.mean:
        some = now.part(0, len(before))
        compare = _classes if is_class(now, output) else _numbers
        pair = compare(some, before, output)
        found.update({f"{output}.{name}": value for name, value in pair.items()})
    return {k: v if v is not None and np.isfinite(v) else None for k, v in found.items()}


def is_class(prediction: Prediction, output: str) -> bool:
    """Whether an output is a class, and its numbers, if it has any, are names only."""
    named = prediction.mean.columns[output].data.dtype.kind not in "fiu"
    return named or f"{output}.proba" in prediction.mean


def _classes(now: Prediction, before: Prediction, output: str) -> dict[str, float]:
    one, other = (p.mean.columns[output].data for p in (now, before))
    if one.shape != other.shape:
        return {}
    return {"kappa": kappa(one, other), "change": float((one != other).mean())}


def kappa(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Cohen's kappa (Cohen 1960, eq. 1): agreement beyond chance; 1 if there is one class only."""
    agreed = float((one == other).mean())
    names, places = np.unique(np.concatenate([one.ravel(), other.ravel()]), return_inverse=True)
    shares = [np.bincount(half, minlength=len(names)) for half in np.split(places, 2)]
    chance = float((shares[0] / one.size) @ (shares[1] / one.size))
    return 1.0 if chance >= 1.0 else (agreed - chance) / (1.0 - chance)


def _numbers(now: Prediction, before: Prediction, output: str) -> dict[str, float]:
    one, other = (p.mean.columns[output].data.astype(float) for p in (now, before))
    if one.shape != other.shape:
        return {}
    found = {"change": float(np.sqrt(((one - other) ** 2).mean()))}
    if output in now.std and output in before.std:
        spreads = [np.abs(p.std.columns[output].data.astype(float)) for p in (now, before)]
        if spreads[0].shape == spreads[1].shape == one.shape:
            found["shift"] = shift(one, other, *spreads)
    return found


def shift(
    now: NDArray[np.float64],
    before: NDArray[np.float64],
    std: NDArray[np.float64],
    std_before: NDArray[np.float64],
) -> float:
    """By how much the expected loss can have changed, as a share of the loss's range.

    The expectations of a bounded loss under two predictive distributions differ by no more than
    its range times their total variation, which is at most ``sqrt(KL / 2)`` (Pinsker) and 1. The
    divergence is that of normal distributions. Ishibashi & Hino 2021 (arXiv 2104.01836) bound the
    error by the divergence of posteriors in this way; here it is taken of the predictions, which
    it cannot be less for (data processing), and averaged over samples.
    """
    least = 1e-12 * (1.0 + np.maximum(np.abs(now), np.abs(before)))
    a, b = np.maximum(std, least), np.maximum(std_before, least)
    divergence = np.log(b / a) + (a * a + (now - before) ** 2) / (2.0 * b * b) - 0.5
    return float(np.minimum(1.0, np.sqrt(np.maximum(divergence, 0.0) / 2.0)).mean())
