"""McPAL: what a label is expected to gain, by how many labels are near already."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

import numpy as np

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, beside, namespace
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Indices
from querist.strategies.rows import BLOCK, Rows
from querist.strategies.windows import Scores, Windows, picked

# Ways in which the labels ahead may fall into classes, at most.
COMBINATIONS = 20_000


@batchwise(
    paper="Kottke, Krempl, Lang, Teschner & Spiliopoulou 2016 (ECAI), the expected gain in closed "
    "form; one question at a time there, in a batch a pick counts as its expected class",
    cost="O(n (m d + b (d + C))) time for m labels, O(n^2 d) without any or with the density; "
    "O(n C) memory",
    use="From no labels on, few dimensions in which what is near is alike, and one question at a "
    "time; of a network's features rather typiclust.",
    aliases=("probabilistic-al",),
)
def mcpal(  # noqa: PLR0913 - a strategy's options are parameters
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    labelled_classes: Rows | None = None,
    probabilities: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    ahead: int = 1,
    prior: float = 1.0,
    gamma: float | None = None,
    density: bool = False,
    classes: int | None = None,
) -> Picks:
    """The gain in accuracy that a label is expected to bring near its row.

    The counts of labels near a row (a Gaussian of the distance each, ``gamma``, by default the mean
    criterion's) and ``prior`` are a Dirichlet's numbers of its class. The gain is what up to
    ``ahead`` labels more would add to the probability of the likeliest class, for each label. With
    ``probabilities`` all labels nearby are divided by them, as for another classifier. The paper
    multiplies by the ``density``, the mean Gaussian with all rows; that was mostly worse, so it is
    done where it is wanted, and where there are no labels, for all gains are equal then.
    ``classes`` is how many there are, by default as many as labels show.
    """
    if not prior > 0.0:
        raise ConfigError(f"prior is above 0, got {prior}.")
    if probabilities is not None:
        classes = probabilities.shape[1]
    windows = Windows(embeddings, labelled_embeddings, labelled_classes, classes, gamma)
    if probabilities is not None:
        windows.spread(probabilities)
    scores, rows = gains(windows.classes, ahead, prior)
    return picked(
        windows,
        budget,
        rng,
        lambda: windows.scored(scores, rows),
        density=density,
        prior=prior,
    )


def gains(classes: int, ahead: int, prior: float) -> tuple[Scores, int]:
    """The expected gain of up to so many labels, and how many rows to score at once.

    Labels fall into classes as drawn from Pólya's urn: a class is drawn by what it has, and then
    has one more. After them the likeliest class is right with the largest share; before, too.

    Raises:
        ConfigError: If there are too many ways in which labels can fall into classes.
    """
    if ahead < 1 or math.comb(classes + ahead - 1, ahead) > COMBINATIONS:
        raise ConfigError(
            f"ahead is at least 1, and few enough that {COMBINATIONS:,} ways in which so many "
            f"labels fall into {classes} classes suffice; got {ahead}."
        )
    ways = [_ways(classes, count) for count in range(1, ahead + 1)]

    def scores(counts: Array) -> Array:
        alpha, xp = counts + prior, namespace(counts)
        total, most = xp.sum(alpha, axis=1), xp.amax(alpha, axis=1)
        best, rising = None, 1.0
        for count, (drawn, before, factors) in enumerate(ways, start=1):
            urn = alpha[:, beside(drawn, alpha)] + beside(before, alpha)
            rising = rising * (total + (count - 1))
            odds = urn.prod(2) * beside(factors, alpha)
            peaks = xp.maximum(xp.amax(urn, axis=2) + 1.0, most[:, None])
            expected = xp.sum(odds * peaks, axis=1) / rising / (total + count)
            gain = (expected - most / total) / count
            best = gain if best is None else xp.maximum(best, gain)
        return best

    return scores, max(1, BLOCK // ways[-1][0].size)


def _ways(classes: int, count: int) -> tuple[Indices, Indices, Indices]:
    """``(k, count)`` classes in order, how often each came before, and orders of each way."""
    drawn = np.array(list(combinations_with_replacement(range(classes), count)))
    before = np.zeros_like(drawn)
    for place in range(1, count):
        again = drawn[:, place] == drawn[:, place - 1]
        before[:, place] = np.where(again, before[:, place - 1] + 1, 0)
    return drawn, before, math.factorial(count) // np.prod(before + 1, axis=1)
