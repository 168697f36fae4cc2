"""Definitions of acquisition functions, by integration and with matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from querist.strategies import tensors
from querist.strategies.contract import Selection
from querist.testing.strategy_references import condition, exact, law, ranked

Matrix = NDArray[np.float64]
NOISE = 1e-4


def improvement(mean: float, std: float, best: float) -> float:
    """Logarithm of the mean of ``max(y - best, 0)``, ``y`` normal, by quadrature.

    The integrand ``t exp(z t - t^2 / 2)`` is taken over where it is not negligible, and the
    density at ``z`` stands before the integral.
    """
    z = (mean - best) / std
    peak = max(z, 0.0)
    shift = z * peak - peak * peak / 2.0
    wide = peak + 40.0 / max(1.0, abs(min(z, 0.0))) + 10.0 * (z > 0)
    found, _ = quad(
        lambda t: t * math.exp(z * t - t * t / 2.0 - shift), 0.0, wide, limit=200, epsabs=0.0
    )
    return math.log(std) + float(norm.logpdf(z)) + shift + math.log(found)


@exact("log-ei")
def log_ei(budget: int, predictions: Matrix, std: Matrix, labels: Matrix) -> Any:
    """By quadrature, a candidate at a time."""
    pairs = zip(predictions, std, strict=True)
    return ranked(np.array([improvement(mean, s, labels.max()) for mean, s in pairs]), budget)


@exact("ei")
def ei(budget: int, predictions: Matrix, std: Matrix, labels: Matrix) -> Any:
    """The exponential of the quadrature."""
    pairs = zip(predictions, std, strict=True)
    values = [math.exp(improvement(mean, s, labels.max())) for mean, s in pairs]
    return ranked(np.array(values), budget)


@exact("pi")
def pi(budget: int, predictions: Matrix, std: Matrix, labels: Matrix) -> Any:
    """The survival function."""
    values = norm.logsf(labels.max(), loc=predictions, scale=std)
    return ranked(np.asarray(values, float), budget)


@exact("ucb")
def ucb(budget: int, predictions: Matrix, std: Matrix) -> Any:
    """Mean plus two standard deviations."""
    return ranked(predictions + 2.0 * std, budget)


@law("thompson")
def thompson(budget: int, member_predictions: Matrix) -> dict[tuple[int, ...], float]:
    """Every sequence of members is equally likely."""
    items, members = member_predictions.shape
    found: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(budget):
        longer: dict[tuple[int, ...], float] = {}
        for picks, weight in found.items():
            for member in range(members):
                free = [row for row in range(items) if row not in picks]
                best = max(free, key=lambda row, m=member: member_predictions[row, m])  # type: ignore[misc]
                key = (*picks, best)
                longer[key] = longer.get(key, 0.0) + weight / members
        found = longer
    return found


@exact("kriging-believer")
def kriging_believer(budget: int, member_predictions: Matrix, labels: Matrix | None = None) -> Any:
    """The posterior covariance of all outputs, conditioned on the mean of every pick."""
    mean = member_predictions.mean(axis=1)
    covariance = np.atleast_2d(np.cov(member_predictions, bias=True))
    noise = NOISE * float(np.trace(covariance)) / len(mean)
    best = float(mean.min()) if labels is None else float(labels.max())
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        seen = covariance[np.ix_(picks, picks)] + noise * np.eye(len(picks))
        told = covariance[:, picks]
        left = np.diag(covariance) - (told * np.linalg.solve(seen, told.T).T).sum(axis=1)
        pairs = zip(mean, np.sqrt(left), strict=True)
        values = np.array([improvement(m, s, best) for m, s in pairs])
        values[picks] = -np.inf
        picks.append(int(values.argmax()))
        scores.append(float(values.max()))
        best = max(best, float(mean[picks[-1]]))
    return picks, scores


@exact("local-penalisation")
def local_penalisation(
    budget: int,
    predictions: Matrix,
    std: Matrix,
    embeddings: Matrix,
    labelled_embeddings: Matrix,
    labels: Matrix,
) -> Any:
    """Every pair of labelled rows for the slope, every pick's penaliser by itself."""
    best, count = float(labels.max()), len(labels)
    slope = max(
        abs(labels[i] - labels[j]) / np.linalg.norm(labelled_embeddings[i] - labelled_embeddings[j])
        for i in range(count)
        for j in range(i)
    )
    pairs = zip(predictions, std, strict=True)
    values = np.array([improvement(mean, s, best) for mean, s in pairs])
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        free = np.where(np.isin(np.arange(len(values)), picks), -np.inf, values)
        pick = int(free.argmax())
        picks.append(pick)
        scores.append(float(free[pick]))
        for row in range(len(values)):
            away = slope * np.linalg.norm(embeddings[row] - embeddings[pick])
            values[row] += norm.logcdf((away - best + predictions[pick]) / std[pick])
    return picks, scores


@condition("qlogei")
def qlogei(
    selection: Selection, embeddings: Matrix, labelled_embeddings: Matrix, labels: Matrix
) -> None:
    """Every pick is the best by the joint posterior of all candidates, but for sampling errors."""
    low, high = labelled_embeddings.min(axis=0), labelled_embeddings.max(axis=0)
    inputs = (labelled_embeddings - low) / (high - low)
    outputs = (labels - labels.mean()) / labels.std()
    mean, covariance = _posterior(inputs, outputs, (embeddings - low) / (high - low))
    root = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(mean)))
    drawn = np.random.default_rng(0).normal(size=(20_000, len(mean)))
    values = np.maximum(mean + drawn @ root.T - outputs.max(), 0.0)
    highest = np.zeros(len(drawn))
    for pick in selection.indices:
        joint = np.maximum(values, highest[:, None]).mean(axis=0)
        assert joint[pick] >= 0.9 * joint.max() - 1e-3
        highest = np.maximum(highest, values[:, pick])


def _posterior(inputs: Matrix, outputs: Matrix, candidates: Matrix) -> tuple[Matrix, Matrix]:
    """Joint mean and covariance by the textbook, with the kernel that BoTorch fits."""
    import warnings

    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch = tensors.torch()
    x, y = torch.from_numpy(inputs), torch.from_numpy(outputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SingleTaskGP(x, y[:, None], outcome_transform=None)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        rows = torch.cat([x, torch.from_numpy(candidates)])
        kernel = model.covar_module(rows).to_dense().detach().numpy()
    count, level = len(x), float(model.mean_module.constant.detach())
    seen = kernel[:count, :count] + float(model.likelihood.noise.detach()) * np.eye(count)
    told = kernel[count:, :count]
    mean = level + told @ np.linalg.solve(seen, outputs - level)
    return mean, kernel[count:, count:] - told @ np.linalg.solve(seen, told.T)
