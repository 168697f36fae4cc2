"""The search that needs nothing: the library's Gaussian process and expected improvement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from querist.strategies.acquisition.log_ei import log_ei
from querist.tuning.searches.bayes import BayesSearch
from querist.tuning.searches.beliefs import Beliefs, Floats
from querist.tuning.space import Values


class GPSearch(BayesSearch):
    """Expected improvement times the probability that all limits hold, for the expected cost.

    Constrained improvement as of Gardner et al. 2014; the logarithm as of Ament et al. 2023 (arXiv
    2310.20708). Improvement counts from the best expectation among the trials that keep all limits,
    so that one lucky measurement is no record. Until one does, the probability alone is looked at.
    Points that are being tried count as if they came out as expected. Options: see
    :class:`~querist.tuning.searches.bayes.BayesSearch`.
    """

    def prepare(self, pending: Sequence[Values]) -> None:
        """Condition the objective on what is under way."""
        self._ready: Beliefs = self.refit().believing(self.space.features(pending))

    def acquisition(self, features: Floats) -> Floats:
        """Logarithm of the constrained expected improvement."""
        ready, found = self._ready, self._ready.log_chance(features)
        if ready.loss is None or ready.incumbent is None:
            return found
        mean, std = ready.loss(features)
        best = np.array([-ready.incumbent])
        return found + log_ei.scores(predictions=-mean, std=std, labels=best)
