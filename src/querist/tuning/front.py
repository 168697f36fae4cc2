"""Several objectives at once: which points no other beats, and how much they dominate together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Corner = tuple[float, ...]


def on_front(losses: Floats) -> NDArray[np.bool_]:
    """``(n,)`` whether no other row of ``(n, m)`` losses is at least as small everywhere.

    Of equal rows the first is kept.
    """
    kept = np.ones(len(losses), bool)
    for row, loss in enumerate(losses):
        below = (losses <= loss).all(axis=1)
        strictly = below & (losses < loss).any(axis=1)
        kept[row] = not (strictly.any() or (below & ~strictly)[:row].any())
    return kept


def hypervolume(losses: Floats, reference: Floats) -> float:
    """Volume between points and a reference that they dominate (Zitzler & Thiele 1998).

    By slicing along the last objective (Knowles 2002; While et al. 2006, HSO): exact, O(n^(m-1)
    log n).

    Args:
        losses: ``(n, m)``; small is good. Points that do not beat the reference count nothing.
        reference: ``(m,)``.
    """
    points = np.asarray(losses, float).reshape(-1, len(reference))
    points = points[(points < reference).all(axis=1)]
    return _volume(points[on_front(points)], np.asarray(reference, float))


def undominated(losses: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Boxes without overlap that fill what no point dominates below a reference.

    By the slices of :func:`hypervolume`: as many boxes as O(n^(m-1)).

    Args:
        losses: ``(n, m)``; small is good.
        reference: ``(m,)``.

    Returns:
        ``(k, m)`` lower corners, -inf where there is no bound, and ``(k, m)`` upper ones.
    """
    points = np.asarray(losses, float).reshape(-1, len(reference))
    points = points[(points < reference).all(axis=1)]
    boxes = np.array(list(_gaps(points[on_front(points)], np.asarray(reference, float))))
    return boxes[:, 0], boxes[:, 1]


def _gaps(points: Floats, reference: Floats) -> Iterator[tuple[Corner, Corner]]:
    if len(reference) == 1:
        yield (-np.inf,), (float(np.append(points[:, 0], reference).min()),)
        return
    ordered = points[np.argsort(points[:, -1])]
    levels = [-np.inf, *ordered[:, -1].tolist(), float(reference[-1])]
    for number, (low, high) in enumerate(pairwise(levels)):
        if low < high:
            slab = ordered[:number, :-1]
            for below, above in _gaps(slab[on_front(slab)], reference[:-1]):
                yield (*below, low), (*above, high)


def _volume(points: Floats, reference: Floats) -> float:
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    ordered = points[np.argsort(points[:, -1])]
    upper = np.append(ordered[1:, -1], reference[-1])
    volume = 0.0
    for number, height in enumerate(upper - ordered[:, -1]):
        if height > 0.0:
            slab = ordered[: number + 1, :-1]
            volume += float(height) * _volume(slab[on_front(slab)], reference[:-1])
    return volume
