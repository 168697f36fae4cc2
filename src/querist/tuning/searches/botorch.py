"""Search by BoTorch: noisy expected improvement with constraints, jointly for all that is tried."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from querist.core.errors import require
from querist.tuning.searches.bayes import BayesSearch
from querist.tuning.searches.beliefs import Floats, Scale
from querist.tuning.space import Values
from querist.tuning.trial import Trial

Measured = tuple[Floats, Floats | None]  # numbers, and variances of their noise where known
WHO = "the search botorch"
BLOCK = 512


class BoTorchSearch(BayesSearch):
    """BoTorch's qLogNoisyExpectedImprovement over mixed spaces; extra botorch.

    Of several objectives it is qLogNoisyExpectedHypervolumeImprovement (Daulton et al. 2021, arXiv
    2105.08195; Ament et al. 2023). One SingleTaskGP for each objective and limit, with BoTorch's
    priors, and the standard errors of results where they are known (``train_Yvar``); points that
    are being tried are integrated over. Failures and costs are learned as by the search gp.

    Args:
        problem: What is searched.
        samples: Quasi-random numbers of each integral.
        options: Of :class:`~querist.tuning.searches.bayes.BayesSearch`.
    """

    def __init__(self, problem: Any, samples: int = 64, **options: Any) -> None:
        _load()
        super().__init__(problem, **options)
        self._samples = samples

    def prepare(self, pending: Sequence[Values]) -> None:
        """Fit the processes to the trials that succeeded, and build the acquisition."""
        good = [trial for trial in self.trials if not trial.failure]
        self._function = self._built(good, pending) if good else None

    def acquisition(self, features: Floats) -> Floats:
        """The logarithm of the improvement, and of the probability of success."""
        beliefs = self.refit()
        if self._function is None or beliefs.incumbent is None:
            return beliefs.log_chance(features)
        torch = require("torch", "botorch", WHO)
        found, size = [], BLOCK // len(self.problem.aims) ** 2
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for start in range(0, len(features), size):
                block = torch.tensor(features[start : start + size], dtype=torch.float64)
                found.append(self._function(block[:, None, :]).numpy())
        return np.concatenate(found) + beliefs.log_success(features)

    def _built(self, good: Sequence[Trial], pending: Sequence[Values]) -> Any:
        torch = require("torch", "botorch", WHO)
        sampling = require("botorch.sampling.normal", "botorch", WHO)
        X = torch.tensor(self.space.features([t.settings for t in good]), dtype=torch.float64)
        columns = [*self._objectives(good), *self._limits(good)]
        model = self._models(X, columns)
        waiting = torch.tensor(self.space.features(pending), dtype=torch.float64)
        sampler = sampling.SobolQMCNormalSampler(
            torch.Size([self._samples]), seed=self.problem.seed
        )
        count = len(self.problem.aims)
        told: dict[str, Any] = {
            "sampler": sampler,
            "constraints": [_column(n) for n in range(count, len(columns))] or None,
            "X_pending": waiting if len(pending) else None,
            "prune_baseline": True,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.problem.several:
                return self._hypervolume(model, X, told)
            return self._improvement(model, X, told)

    def _improvement(self, model: Any, X: Any, told: dict[str, Any]) -> Any:
        logei = require("botorch.acquisition.logei", "botorch", WHO)
        objectives = require("botorch.acquisition.objective", "botorch", WHO)
        objective = objectives.GenericMCObjective(_first)
        return logei.qLogNoisyExpectedImprovement(model, X, objective=objective, **told)

    def _hypervolume(self, model: Any, X: Any, told: dict[str, Any]) -> Any:
        logei = require("botorch.acquisition.multi_objective.logei", "botorch", WHO)
        objectives = require("botorch.acquisition.multi_objective.objective", "botorch", WHO)
        # Else BoTorch compiles C++ here, and waits for ever on the lock of one that was killed.
        logei._load_attempted = True
        outcomes = list(range(len(self.problem.aims)))
        objective = objectives.IdentityMCMultiOutputObjective(outcomes=outcomes)
        reference = (-self.problem.reference).tolist()
        return logei.qLogNoisyExpectedHypervolumeImprovement(
            model, reference, X, objective=objective, **told
        )

    def _objectives(self, good: Sequence[Trial]) -> list[Measured]:
        """Large is good; one alone on the modelled scale, several as they are, for their volume."""
        losses = self.problem.losses(good)
        noise = [self.problem.variances(good, aim.output) for aim in self.problem.aims]
        if self.problem.several:
            return list(zip(-losses.T, noise, strict=True))
        scale = Scale.of(losses[:, 0])
        return [(-scale.apply(losses[:, 0]), scale.variances(losses[:, 0], noise[0]))]

    def _limits(self, good: Sequence[Trial]) -> list[Measured]:
        """By how much each limit is missed, on the modelled scale."""
        found = []
        for limit in self.problem.limits:
            values = np.array([t.outputs[limit.output] for t in good] + [limit.bound])
            scale = Scale.of(values)
            scaled, noise = scale.apply(values), self.problem.variances(good, limit.output)
            missed = (scaled[:-1] - scaled[-1]) * (1 if limit.side == "at_most" else -1)
            found.append((missed, scale.variances(values[:-1], noise)))
        return found

    def _models(self, X: Any, columns: Sequence[Measured]) -> Any:
        torch = require("torch", "botorch", WHO)
        models = require("botorch.models", "botorch", WHO)
        transforms = require("botorch.models.transforms.outcome", "botorch", WHO)
        likelihoods = require("gpytorch.mlls", "botorch", WHO)
        fit = require("botorch.fit", "botorch", WHO)
        made = []
        for column, noise in columns:
            Y = torch.tensor(column, dtype=torch.float64)[:, None]
            known = None if noise is None else torch.tensor(noise, dtype=torch.float64)[:, None]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                transform = transforms.Standardize(m=1)
                one = models.SingleTaskGP(X, Y, known, outcome_transform=transform)
                fit.fit_gpytorch_mll(likelihoods.ExactMarginalLogLikelihood(one.likelihood, one))
            made.append(one)
        return models.ModelListGP(*made)


def _load() -> None:
    """Import BoTorch; what it and torch deprecate meanwhile is theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        require("botorch.models", "botorch", WHO)
        require("botorch.acquisition.logei", "botorch", WHO)
        require("botorch.fit", "botorch", WHO)


def _first(samples: Any, X: Any = None) -> Any:  # noqa: ARG001 - BoTorch names it
    return samples[..., 0]


def _column(number: int) -> Any:
    return lambda samples: samples[..., number]
