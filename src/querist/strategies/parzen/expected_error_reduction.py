"""Expected error reduction: what a label would change in the error on the pool, class by class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.arrays import Array, filled, host, namespace, rows_at, xlogx
from querist.strategies.contract import Picks, batchwise
from querist.strategies.geometry import Indices
from querist.strategies.rows import Rows
from querist.strategies.windows import Windows, picked

LOSSES = ("error", "entropy")


@batchwise(
    paper="Roy & McCallum 2001 (ICML), eq. 4 and 6 and the sampling of section 2, of a Parzen "
    "window, which needs no fit; one question at a time there, in a batch a pick counts as its "
    "expected class",
    cost="O(b n s (d + C)) time, s = min(n, 1000) rows on which the error is looked at, O(n^2 d) "
    "without labels; O(n C) memory",
    use="Few questions about a pool of few dimensions in which what is near is alike; dear.",
    aliases=("monte-carlo-eer",),
)
def expected_error_reduction(  # noqa: PLR0913 - a strategy's options are parameters
    embeddings: Rows,
    labelled_embeddings: Rows | None = None,
    labelled_classes: Rows | None = None,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    loss: str = "error",
    prior: float = 1.0,
    gamma: float | None = None,
    classes: int | None = None,
    sample: int = 1000,
) -> Picks:
    """By how much a label is expected to lower the mean loss on the pool; each class by its odds.

    The classifier's odds are the counts of labels near a row (a Gaussian of the distance each,
    ``gamma``, by default the mean criterion's) with ``prior`` added to each class. ``loss`` is the
    expected "error" or the "entropy". It is looked at on ``sample`` rows of a larger pool, drawn
    where ``rng`` is given, else evenly spaced. ``classes`` is how many there are, by default as
    many as labels show.
    """
    if not prior > 0.0 or sample < 1 or loss not in LOSSES:
        raise ConfigError(
            f"prior is above 0, sample at least 1, and loss one of {', '.join(LOSSES)}; got "
            f"{prior}, {sample} and {loss!r}."
        )
    windows = Windows(embeddings, labelled_embeddings, labelled_classes, classes, gamma)
    looked_at = _looked_at(len(embeddings), sample, rng)
    points = windows.pairs.take(looked_at)

    def scores() -> NDArray[np.float64]:
        after = _After(rows_at(windows.counts, looked_at) + prior, loss)
        found = []
        for start, block in windows.pairs.blocks():
            alpha = windows.counts[start : start + len(block)] + prior
            found.append(host(after.gains(alpha, windows.similar(block, points))))
        return np.concatenate(found)

    return picked(windows, budget, rng, scores, prior=prior)


def _looked_at(count: int, sample: int, rng: np.random.Generator | None) -> Indices:
    """Rows on which the error is looked at."""
    if count <= sample:
        return np.arange(count)
    if rng is None:
        return np.arange(sample) * count // sample
    return np.sort(rng.choice(count, sample, replace=False))


class _After:
    """Mean loss on some rows after a label more, by how near that is to each of them.

    Args:
        alpha: ``(s, C)`` counts of the rows with the prior.
        loss: Which.
    """

    def __init__(self, alpha: Array, loss: str) -> None:
        self.alpha, self.loss = alpha, loss
        xp = namespace(alpha)
        self.total, self.most = xp.sum(alpha, axis=1), xp.amax(alpha, axis=1)
        self.logs = xlogx(alpha)
        self.sum_of_logs = xp.sum(self.logs, axis=1)
        self.now = xp.mean(self._without())

    def gains(self, alpha: Array, near: Array) -> Array:
        """``(k,)`` of candidates, whose own counts are ``alpha``, and ``near`` ``(k, s)``."""
        xp = namespace(alpha)
        odds = alpha / xp.sum(alpha, axis=1)[:, None]
        later, total = filled(len(alpha), 0.0, "float64", alpha), self.total + near
        for one in range(alpha.shape[1]):
            later = later + odds[:, one] * xp.mean(self._with(one, near, total), axis=1)
        return self.now - later

    def _without(self) -> Array:
        if self.loss == "error":
            return 1.0 - self.most / self.total
        return namespace(self.total).log(self.total) - self.sum_of_logs / self.total

    def _with(self, one: int, near: Array, total: Array) -> Array:
        """``(k, s)`` loss of each row when a label of a class lies so near."""
        xp, more = namespace(near), self.alpha[:, one] + near
        if self.loss == "error":
            return 1.0 - xp.maximum(self.most[None], more) / total
        logs = self.sum_of_logs - self.logs[:, one] + xlogx(more)
        return xp.log(total) - logs / total
