"""Another label for an old item, or a first one for a new: what either is expected to gain.

Both are one more answer of somebody who errs, so both are measured alike: by what the answer is
expected to tell of the item's true class. What is believed of an item before is the posterior of
:func:`~querist.accounting.annotators.dawid_skene` where it has labels, else the probabilities of a
model. The question is that of V. S. Sheng, F. Provost, P. G. Ipeirotis: Get Another Label?
KDD 2008, and, of relabelling against new labels, of C. H. Lin, Mausam, D. S. Weld: Re-Active
Learning: Active Learning with Relabeling, AAAI 2016; the information is that of D. V. Lindley, On
a Measure of the Information Provided by an Experiment, Ann. Math. Statist. 27 (1956) 986-1005.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.errors import ConfigError, ShapeError

Floats = NDArray[np.float64]
MEASURES = ("information", "error")
_ROWS = 65_536  # at a time, so that a large pool needs little memory


class Ask(NamedTuple):
    """Which answers to ask for next, the most useful first.

    Attributes:
        again: ``(k,)`` whether it is another label of an item that has one.
        place: ``(k,)`` its row among the labelled, or among the unlabelled.
        gain: ``(k,)`` what the answer is expected to gain.
    """

    again: NDArray[np.bool_]
    place: NDArray[np.int64]
    gain: Floats


def answer_gain(beliefs: ArrayLike, confusion: ArrayLike, measure: str = "information") -> Floats:
    """What one more answer is expected to gain, for each of ``n`` items.

    Args:
        beliefs: ``(n, C)`` probabilities of the true class now.
        confusion: ``(C, C)`` of whoever answers: ``[c, l]`` is the probability of saying l of c.
        measure: "information", how many nats the answer tells of the true class, I(class; answer);
            or "error", by how much the probability that the likeliest class is wrong falls. The
            second is 0 wherever a single answer cannot change what is likeliest.

    Returns:
        ``(n,)``, 0 or more; at most ln C, or at most 1.

    Raises:
        ShapeError: If the shapes do not fit.
        ConfigError: For an unknown measure.
    """
    rows, table = np.asarray(beliefs, np.float64), np.asarray(confusion, np.float64)
    if rows.ndim != 2 or table.shape != (rows.shape[1], rows.shape[1]):
        raise ShapeError(
            f"Beliefs should be (n, C) and confusion (C, C), got {rows.shape} and {table.shape}."
        )
    if measure not in MEASURES:
        raise ConfigError(f"The measure is one of {', '.join(MEASURES)}, got {measure!r}.")
    one = _information if measure == "information" else _error
    parts = [one(rows[at : at + _ROWS], table) for at in range(0, len(rows), _ROWS)]
    found: Floats = np.maximum(np.concatenate([*parts, np.zeros(0)]), 0.0)
    return found


def _information(beliefs: Floats, confusion: Floats) -> Floats:
    found: Floats = _entropy(beliefs @ confusion) - beliefs @ _entropy(confusion)
    return found


def _error(beliefs: Floats, confusion: Floats) -> Floats:
    joint = beliefs[:, :, None] * confusion
    found: Floats = joint.max(axis=1).sum(axis=1) - beliefs.max(axis=1)
    return found


def _entropy(rows: Floats) -> Floats:
    found: Floats = -(rows * np.log(np.where(rows > 0, rows, 1.0))).sum(axis=1)
    return found


def next_answers(
    labelled: ArrayLike,
    unlabelled: ArrayLike,
    confusion: ArrayLike,
    count: int,
    measure: str = "information",
) -> Ask:
    """The ``count`` answers that are expected to gain most, one an item, of either kind.

    Args:
        labelled: ``(n, C)`` posteriors of items that have labels.
        unlabelled: ``(u, C)`` a model's probabilities of items that have none.
        confusion: ``(C, C)`` of whoever answers, such as ``Annotators.anyone``.
        count: How many; fewer where there are fewer items.
        measure: As for :func:`answer_gain`.

    Returns:
        Ties go to new items, then to the earlier row.
    """
    new = answer_gain(unlabelled, confusion, measure)
    old = answer_gain(labelled, confusion, measure)
    gains = np.concatenate([new, old])
    chosen: NDArray[Any] = np.argsort(-gains, kind="stable")[: max(0, count)]
    again = chosen >= len(new)
    return Ask(again, np.where(again, chosen - len(new), chosen), gains[chosen])
