"""Trust, ask or reject: bands of uncertainty, absolute or as a running quantile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.control.sketch import QuantileSketch
from querist.core.batch import Batch
from querist.core.errors import ShapeError
from querist.core.prediction import Prediction, Verdict, Verdicts
from querist.core.roles import Filter, Limits

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class BandGate:
    """Compares the uncertainty of one output with two limits.

    A sample is trusted up to ``limits.ask``, asked up to ``limits.reject`` and rejected above,
    or when a filter says that it makes no sense, or when the prediction of that output or its
    uncertainty is not finite.

    Attributes:
        output: Which output's uncertainty counts. For vectors by atom it is the maximum over
            atoms of the norm of the standard deviation, units of the output.
        filters: Each returns ``(n,)`` True for samples that make sense.
    """

    output: str
    filters: tuple[Filter, ...] = ()

    def decide(self, batch: Batch, prediction: Prediction, limits: Limits) -> Verdicts:
        """Verdicts of ``n`` samples.

        Raises:
            ShapeError: If the model predicted another number of samples, or not this output.
        """
        if len(prediction.std) != len(batch):
            raise ShapeError(
                f"a model predicts each sample of a batch, but of {len(batch)} it gave "
                f"{len(prediction.std)} predictions."
            )
        score = prediction.uncertainty(self.output)
        verdict: NDArray[np.int8] = (score > limits.ask).view(np.int8)  # ASK is 1, TRUST is 0
        accepted = score <= min(limits.reject, _LARGEST)  # nothing that is not finite
        column = prediction.mean.columns.get(self.output)
        numbers = column is not None and column.data.dtype.kind in "fc"
        if numbers and column is not None and not np.isfinite(column.data).all():
            accepted &= [bool(np.isfinite(item).all()) for item in column.items()]
        if self.filters:
            accepted &= self.sensible(batch)
        if not accepted.all():
            verdict[~accepted] = Verdict.REJECT
        return Verdicts(verdict, score)

    def sensible(self, batch: Batch) -> NDArray[np.bool_]:
        """``(n,)`` whether all filters accept; needs no prediction."""
        keep = np.ones(len(batch), np.bool_)
        for accepts in self.filters if len(batch) else ():
            keep &= accepts(batch)
        return keep


@dataclass(frozen=True, slots=True)
class LimitRule:
    """How the limits in force follow from what explorers report.

    Attributes:
        ask: Absolute threshold; with ``quantile``, the least value that the threshold may take.
        quantile: Ask what lies above this quantile of recent uncertainties, or equals it; None for
            absolute.
        reject: Absolute upper limit.
        at_least: How many values a quantile needs before it is used.
    """

    ask: float = 0.0
    quantile: float | None = None
    reject: float = math.inf
    at_least: int = 50

    def limits(self, scores: QuantileSketch, previous: Limits | None) -> Limits:
        """The limits now in force.

        Args:
            scores: Uncertainties met with the newest model, all explorers merged.
            previous: What was in force before; kept while too little was seen.
        """
        if self.quantile is None:
            return Limits(self.ask, self.reject)
        if scores.count < self.at_least:
            return previous or Limits(self.ask, self.reject)
        # From below: of equal uncertainties, such as a Gaussian process has far from all labels,
        # none would lie above their own quantile, and nothing would be asked any more.
        return Limits(max(self.ask, scores.floor(self.quantile)), self.reject)
