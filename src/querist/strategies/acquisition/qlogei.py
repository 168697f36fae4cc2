"""qLogEI: a batch for the highest output by its joint expected improvement, through BoTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from querist.core.errors import ConfigError, ShapeError, require
from querist.strategies import tensors
from querist.strategies.arrays import Array, dense, host
from querist.strategies.conditioning import Matrix, Vector, best_free, matrix
from querist.strategies.contract import Picks, batchwise
from querist.strategies.mapped import table
from querist.strategies.rows import Rows

# Numbers at once: of joint samples of candidates and what was picked before, and of the labelled
# rows, of which the process makes a copy for every candidate.
AT_ONCE = 1 << 19


@batchwise(
    paper="Ament et al. 2023 (arXiv 2310.20708), eq. 10 and 11, as BoTorch's "
    "qLogExpectedImprovement; greedily over candidates",
    cost="O(m^3) time to fit a Gaussian process to m labels, then O(n b (m d + m^2 + b^2 + b S)) "
    "for S samples; O(n + m^2) memory",
    use="Small batches for the highest output when there are features but no model; extra botorch.",
)
def qlogei(
    embeddings: Rows,
    labelled_embeddings: Rows,
    labels: Rows,
    *,
    budget: int,
    samples: int = 128,
    seed: int = 0,
) -> Picks:
    """Fit a Gaussian process to the labels; add the candidate with which the batch promises most.

    The process is BoTorch's SingleTaskGP with its priors, inputs scaled to the unit cube and
    outputs standardised. Integrals are over ``samples`` quasi-random numbers of this ``seed``. A
    score is the log expected improvement of the batch up to and with the pick, in units of the
    labels' standard deviation.
    """
    if samples < 1:
        raise ConfigError(f"samples is a number from 1 on, got {samples}.")
    known = matrix(labelled_embeddings, embeddings)
    answers = np.asarray(host(dense(table(labels).whole())), float)
    if len(known) != len(answers) or len(known) < 2 or answers.shape[1] != 1:
        raise ShapeError(
            "labelled_embeddings and labels must have a row for each labelled item, at least two, "
            f"and labels one output; they are {known.shape} and {answers.shape}."
        )
    with warnings.catch_warnings():  # of BoTorch on few data; what it gives is used all the same
        warnings.simplefilter("ignore")
        require("botorch", "botorch", "the strategy qlogei")  # before torch, which comes with it
        row = embeddings.take([0])
        like = row if tensors.is_tensor(row) else tensors.torch().zeros(1)
        fitted = _Fitted(known, answers[:, 0], (samples, seed, like))
        return _greedy(embeddings, fitted, len(known), budget)


class _Fitted:
    """The acquisition on a Gaussian process of some labels, on the device of the pool."""

    def __init__(self, known: Matrix, answers: Vector, options: tuple[int, int, Any]) -> None:
        self.samples, self.seed, self.like = options
        width = np.ptp(known, axis=0)
        self.low, self.width = self.tensor(known.min(axis=0)), self.tensor(width + (width == 0.0))
        level, spread = answers.mean(), float(answers.std()) or 1.0
        outputs = self.tensor((answers - level) / spread)[:, None]
        models = require("botorch.models", "botorch", "the strategy qlogei")
        likelihoods = require("gpytorch.mlls", "botorch", "the strategy qlogei")
        inputs = self.scaled(self.tensor(known))
        self.model = models.SingleTaskGP(inputs, outputs, outcome_transform=None)
        likelihood = likelihoods.ExactMarginalLogLikelihood(self.model.likelihood, self.model)
        require("botorch.fit", "botorch", "the strategy qlogei").fit_gpytorch_mll(likelihood)
        self.best = outputs.max()

    def tensor(self, array: Array) -> Any:
        """As a tensor beside the pool."""
        return tensors.moved(array, self.like)

    def scaled(self, rows: Any) -> Any:
        """Features in units of the range that labels cover."""
        return (rows - self.low) / self.width

    def acquisition(self, pending: Any) -> Any:
        """BoTorch's function of candidates, given the ``(p, d)`` that were picked."""
        name = "the strategy qlogei"
        sampling = require("botorch.sampling.normal", "botorch", name)
        functions = require("botorch.acquisition.logei", "botorch", name)
        shape = tensors.torch().Size([self.samples])
        sampler = sampling.SobolQMCNormalSampler(shape, seed=self.seed)
        waiting = pending if len(pending) else None
        return functions.qLogExpectedImprovement(
            self.model, self.best, sampler=sampler, X_pending=waiting
        )


def _greedy(rows: Rows, fitted: _Fitted, labelled: int, budget: int) -> Picks:
    torch = tensors.torch()
    pending = fitted.tensor(np.zeros((0, rows.shape[1])))
    taken = np.zeros(len(rows), bool)
    picks, scores = np.zeros(budget, np.int64), np.zeros(budget)
    for place in range(budget):
        function, parts = fitted.acquisition(pending), []
        joint = (place + 1) * (place + 1 + fitted.samples + labelled)
        joint = max(joint, (place + 1 + labelled) * rows.shape[1])
        with torch.no_grad():
            for _, block in rows.blocks(max(1, AT_ONCE // joint)):
                some = fitted.scaled(fitted.tensor(dense(block)))
                parts.append(host(function(some[:, None, :])))
        values = np.concatenate(parts)
        picks[place] = best = best_free(values, taken)
        scores[place], taken[best] = values[best], True
        one = fitted.scaled(fitted.tensor(dense(rows.take([best]))))
        pending = torch.concatenate([pending, one])
    return picks, scores
