"""A small mergeable quantile sketch, so that summaries travel instead of samples."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GAMMA = 1.02  # relative error of a quantile is at most (gamma - 1) / (gamma + 1), about 1 %
_LOG_GAMMA = math.log(_GAMMA)
_LOG_MAX = math.log(float_info.max)


@dataclass(frozen=True, slots=True)
class QuantileSketch:
    """Counts in logarithmic bins with relative error about 1 % (DDSketch, Masson et al. 2019).

    Attributes:
        bins: Count by bin; bin ``i`` covers ``(gamma**(i - 1), gamma**i]``.
        zeros: How many values were zero.
        count: How many finite, non-negative values were seen.
        dropped: How many values were negative, infinite or NaN; they are in no bin.
    """

    bins: Mapping[int, int]
    zeros: int = 0
    count: int = 0
    dropped: int = 0
    _sums: list[tuple[int, int]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    @classmethod
    def empty(cls) -> QuantileSketch:
        """The sketch of no values."""
        return cls({})

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> QuantileSketch:
        """Sketch an ``(n,)`` array of non-negative values."""
        array = np.asarray(values, np.float64).reshape(-1)
        good = array[np.isfinite(array) & (array >= 0)]
        positive = good[good > 1e-300]
        index = np.ceil(np.log(positive) / _LOG_GAMMA).astype(np.int64)
        keys, counts = np.unique(index, return_counts=True)
        bins = dict(zip(keys.tolist(), counts.tolist(), strict=True))
        return cls(bins, len(good) - len(positive), len(good), len(array) - len(good))

    def merge(self, other: QuantileSketch) -> QuantileSketch:
        """The sketch of both sets of values."""
        bins = dict(self.bins)
        for index, count in other.bins.items():
            bins[index] = bins.get(index, 0) + count
        return QuantileSketch(
            bins, self.zeros + other.zeros, self.count + other.count, self.dropped + other.dropped
        )

    def quantile(self, q: float) -> float:
        """The value below which a share ``q`` of all values lies; NaN when nothing was seen."""
        return 2 / (_GAMMA + 1) * self._edge(q, 0)

    def floor(self, q: float) -> float:
        """The same from below: a share ``1 - q`` of all values lies above it, or it is 0."""
        # A little less than the edge itself, which a value in the bin may be by rounding.
        return (1 - 1e-9) * self._edge(q, -1)

    def _edge(self, q: float, step: int) -> float:
        """The upper edge of the bin with this quantile, or of one so many steps away."""
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile lies between 0 and 1, got {q}.")
        if self.count == 0:
            return math.nan
        rank = q * (self.count - 1)
        if rank < self.zeros:
            return 0.0
        sums = self._cumulative()
        index = sums[min(bisect_right(sums, rank, key=itemgetter(0)), len(sums) - 1)][1]
        return math.exp(min((index + step) * _LOG_GAMMA, _LOG_MAX))

    def _cumulative(self) -> list[tuple[int, int]]:
        # Sorted once, at the first quantile: rules may ask at every event.
        if not self._sums:
            keys = sorted(self.bins)
            sums = accumulate((self.bins[key] for key in keys), initial=self.zeros)
            self._sums.extend(zip(list(sums)[1:], keys, strict=True))
        return self._sums

    def to_json(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "bins": [[index, self.bins[index]] for index in sorted(self.bins)],
            "zeros": self.zeros,
            "count": self.count,
            "dropped": self.dropped,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QuantileSketch:
        """Read back what ``to_json`` gave."""
        bins = {int(index): int(count) for index, count in data["bins"]}
        return cls(bins, int(data["zeros"]), int(data["count"]), int(data["dropped"]))
