"""Expected improvement of the hypervolume: what a run adds to what the front dominates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from querist.tuning.front import undominated
from querist.tuning.searches.beliefs import Floats, Process

HELD = 1 << 20  # numbers that are held at once
TINY = 1e-300


class VolumeImprovement:
    """How much a run enlarges the dominated volume on average, if objectives err independently.

    What no point dominates is cut into boxes. In a box the expected gain is a product over the
    objectives (Emmerich, Deutz & Klinkenberg 2011; boxes as of Lacour, Klamroth & Fonseca 2017 may
    be any that do not overlap): of E max(u - Y, 0) - E max(l - Y, 0), for its bounds l and u.

    Points that were tried count with their expectation, so that one lucky measurement is no
    record; those under way as if they came out as expected.

    Args:
        losses: A process of each objective.
        kept: ``(n, f)`` features of the trials that keep all limits.
        pending: ``(p, f)`` features of what is under way.
        reference: ``(m,)``, from which on an objective is worth anything.
    """

    def __init__(
        self, losses: Sequence[Process], kept: Floats, pending: Floats, reference: Floats
    ) -> None:
        self._losses = [one.believing(pending) if len(pending) else one for one in losses]
        known = np.concatenate([kept, pending]) if len(pending) else kept
        reached = np.stack([one(known)[0] for one in self._losses], axis=1)
        self._low, self._high = undominated(reached, reference)

    def __call__(self, features: Floats) -> Floats:
        """``(k,)`` logarithms of the expected gain at ``(k, f)`` features."""
        step = max(1, HELD // len(self._low))
        parts = [self._gain(features[at : at + step]) for at in range(0, len(features), step)]
        return np.log(np.maximum(np.concatenate(parts), TINY))

    def _gain(self, features: Floats) -> Floats:
        found = np.ones((len(features), len(self._low)))
        for number, loss in enumerate(self._losses):
            mean, std = loss.learned(features)
            high, low = self._high[:, number], self._low[:, number]
            found *= _below(high, mean, std) - _below(low, mean, std)
        return np.asarray(found.sum(axis=1))


def _below(bounds: Floats, mean: Floats, std: Floats) -> Floats:
    """``(k, b)`` E max(bound - Y, 0) of ``(k,)`` normal Y; 0 for a bound of -inf."""
    from scipy.special import ndtr

    gap = bounds[None, :] - mean[:, None]
    with np.errstate(invalid="ignore"):  # -inf times 0
        z = gap / std[:, None]
        density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
        found = std[:, None] * density + gap * ndtr(z)
    return np.where(np.isneginf(bounds)[None, :], 0.0, found)
