"""Epistemic uncertainty: rows of which the labels nearby do not tell whether the classes mix."""

from __future__ import annotations

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, filled, namespace, xlogx
from querist.strategies.contract import Picks, batchwise
from querist.strategies.rows import BLOCK, Rows
from querist.strategies.windows import Windows, picked

# Halvings of an interval of length one, until float64 has no number in between.
HALVINGS = 60


@batchwise(
    paper="Senge et al. 2014 (Information Sciences 255); Nguyen, Destercke & Hüllermeier 2019 "
    "(Discovery Science), eq. 9 to 15; one question at a time there, in a batch a pick counts as "
    "its expected class",
    cost="O(n (m + b) d) time for m labels, O(n^2 d) without any; O(n) memory",
    use="Two classes that overlap in a few dimensions: leaves alone where they mix, once that is "
    "known. More classes: mcpal.",
    aliases=("epistemic-uncertainty-sampling",),
)
def epistemic(
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    labelled_classes: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    gamma: float | None = None,
) -> Picks:
    """The degree to which both of two classes are still plausible for a row, from 0 to 1.

    A share of positive labels is plausible by its likelihood, relative to the best share's, under
    the counts of labels near the row (a Gaussian of the distance each, ``gamma``, by default the
    mean criterion's). A class is plausible as far as some plausible share speaks for it; the score
    is that of the less plausible class. Without labels all are 1, and the density decides.
    """
    windows = Windows(embeddings, labelled_embeddings, labelled_classes, None, gamma)
    if windows.classes > 2:
        raise ConfigError(
            f"epistemic is for two classes, as its papers are, but labels show "
            f"{windows.classes}. Take mcpal, which counts labels nearby for any number of "
            "classes, or bald, if there is a committee."
        )
    return picked(windows, budget, rng, lambda: windows.scored(plausibility, BLOCK))


def plausibility(counts: Array) -> Array:
    """``(k,)`` of the less plausible of two classes, by their counts ``(k, 2)``."""
    xp = namespace(counts)
    support = [_supported(counts[:, one], counts[:, 1 - one]) for one in (0, 1)]
    return xp.minimum(*support)


def _supported(own: Array, other: Array) -> Array:
    """The most that the lesser of likelihood ratio and ``2 share - 1`` can be.

    The latter grows with the share, and from the best share on the ratio falls; left of that it
    grows, too. So the most is where they meet, right of the best share and of a half.
    """
    xp = namespace(own)
    total = own + other
    best = own / xp.where(total > 0.0, total, filled((), 1.0, "float64", own))
    most = xlogx(own) + xlogx(other) - xlogx(total)
    low = xp.maximum(best, filled((), 0.5, "float64", own))
    high = filled(len(own), 1.0, "float64", own)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        ratio = xp.exp(_times_log(own, middle) + _times_log(other, 1.0 - middle) - most)
        rises = ratio > 2.0 * middle - 1.0
        low, high = xp.where(rises, middle, low), xp.where(rises, high, middle)
    return 2.0 * high - 1.0


def _times_log(count: Array, share: Array) -> Array:
    """``count log share``, zero where nothing is counted."""
    xp = namespace(count)
    tiny = filled((), 1e-300, "float64", count)
    return count * xp.log(xp.maximum(share, tiny))
