"""How well an uncertainty foretells the error: rank correlation, bins, coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.accounting.series import thinned

Floats = NDArray[np.float64]
MULTIPLES = (1.0, 2.0, 3.0)


def ranks(values: ArrayLike) -> Floats:
    """``(n,)`` ranks from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(
        np.asarray(values, np.float64), return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    mean: Floats = last - (counts - 1) / 2
    return mean[inverse]


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """Spearman's rank correlation; None for fewer than three pairs or a constant column."""
    first, second = ranks(a), ranks(b)
    if len(first) < 3 or first.std() == 0 or second.std() == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def bins(score: Floats, error: Floats, count: int = 10) -> list[dict[str, float]]:
    """Mean score against mean, root-mean-square and 90 % error, in bins of equal numbers.

    The reliability diagram of a regression: a calibrated standard deviation equals the
    root-mean-square error of its bin (Levi et al., Sensors 22, 5540, 2022).
    """
    order = np.argsort(score, kind="stable")
    parts = np.array_split(order, max(1, min(count, len(order) // 5)))
    return [_bin(score[part], error[part]) for part in parts if len(part)]


def _bin(score: Floats, error: Floats) -> dict[str, float]:
    return {
        "n": len(score),
        "score": float(score.mean()),
        "error_mean": float(error.mean()),
        "error_rms": float(np.sqrt((error**2).mean())),
        "error_p90": float(np.quantile(error, 0.9)),
    }


def calibration(score: ArrayLike, error: ArrayLike, ask: float | None = None) -> dict[str, Any]:
    """What one evaluation says of the uncertainty.

    Args:
        score: ``(n,)`` predicted uncertainty of the gated output.
        error: ``(n,)`` true error of the same output, same units.
        ask: Threshold of the gate, where it is known.

    Returns:
        ``n``, ``not_finite`` (pairs passed over), ``spearman``, ``ratio`` (mean error over mean
        score), ``within`` (share of errors up to 1, 2, 3 times the score), ``bins``, ``points``
        (at most 600 pairs, evenly chosen by score) and ``trusted`` (see below).
    """
    pairs = np.column_stack([np.ravel(score), np.ravel(error)]).astype(np.float64)
    good = pairs[np.isfinite(pairs).all(axis=1)]
    scores, errors = good[:, 0], good[:, 1]
    mean = float(scores.mean()) if len(good) else 0.0
    return {
        "n": len(good),
        "not_finite": len(pairs) - len(good),
        "spearman": spearman(scores, errors),
        "ratio": float(errors.mean()) / mean if mean > 0 else None,
        "within": [
            {"times": m, "share": float((errors <= m * scores).mean())} for m in MULTIPLES if mean
        ],
        "bins": bins(scores, errors) if len(good) else [],
        "points": thinned(good[np.argsort(scores, kind="stable")].tolist(), 600),
        "trusted": _trusted(scores, errors, ask),
    }


def _trusted(score: Floats, error: Floats, ask: float | None) -> dict[str, Any] | None:
    """The errors of what the gate would trust at this threshold."""
    if ask is None:
        return None
    kept = error[score <= ask]
    return {
        "ask": ask,
        "n": len(kept),
        "share": len(kept) / len(score) if len(score) else None,
        "error_mean": float(kept.mean()) if len(kept) else None,
        "error_p95": float(np.quantile(kept, 0.95)) if len(kept) else None,
        "error_max": float(kept.max()) if len(kept) else None,
    }
