"""Experiments chosen for a model: designs that determine its parameters, or tell models apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, ShapeError

Floats = NDArray[np.float64]
TERMS = ("linear", "interactions", "quadratic")
LEAST_GAIN = 1e-9
NODES = 48  # of the quadrature; its error is far below what models are wrong by
RIDGE = 1e-10


def terms(X: Floats, kind: str = "quadratic") -> Floats:
    """``(n, p)`` regression functions of ``(n, d)`` inputs.

    Args:
        X: Inputs, best scaled to [-1, 1].
        kind: "linear" (1 and x), "interactions" (and products of two inputs) or "quadratic" (and
            squares).

    Raises:
        ConfigError: If there is no such kind.
    """
    if kind not in TERMS:
        raise ConfigError(f"terms is one of {TERMS}, got {kind!r}.")
    X = np.asarray(X, float)
    width = X.shape[1]
    found = [np.ones(len(X)), *X.T]
    if kind != "linear":
        found += [X[:, a] * X[:, b] for a in range(width) for b in range(a + 1, width)]
    if kind == "quadratic":
        found += list(X.T**2)
    return np.stack(found, axis=1)


def log_det(F: Floats) -> float:
    """Log determinant of the information ``F'F``; -inf where parameters are not determined."""
    sign, value = np.linalg.slogdet(F.T @ F)
    return float(value) if sign > 0 else -np.inf


def d_optimal(
    F: Floats,
    runs: int,
    rng: np.random.Generator,
    *,
    fixed: Floats | None = None,
    repeats: bool = True,
    tries: int = 10,
) -> NDArray[np.int64]:
    """Rows that determine the parameters of a linear model best: greatest ``|F'F|``.

    Fedorov's exchange (1972, Theory of Optimal Experiments, section 3.3; Cook & Nachtsheim 1980):
    from random starts, the exchange of one chosen row for another that raises the determinant most,
    by the factor 1 + d_j - (d_i d_j - d_ij^2) - d_i with d = f' (F'F)^-1 f, until none does.

    Args:
        F: ``(n, p)`` regression functions of the candidates (:func:`terms`).
        runs: How many to choose; with ``fixed`` at least p in all.
        rng: Of the starts.
        fixed: ``(k, p)`` of experiments that are made anyway.
        repeats: Whether a row may be chosen more than once.
        tries: Starts; the best design is taken.

    Returns:
        ``(runs,)`` rows in order.

    Raises:
        ShapeError: If there are too few runs or rows.
        ConfigError: If no choice determines all parameters.
    """
    F = np.asarray(F, float)
    held = np.zeros((0, F.shape[1])) if fixed is None else np.asarray(fixed, float)
    if runs < 1 or runs + len(held) < F.shape[1] or (not repeats and runs > len(F)):
        raise ShapeError(
            f"{F.shape[1]} parameters want as many runs at least, and distinct ones as many "
            f"candidates; got {runs} runs, {len(held)} made already, {len(F)} candidates."
        )
    best: tuple[float, NDArray[np.int64]] = (-np.inf, np.zeros(0, np.int64))
    for _ in range(tries):
        chosen = rng.choice(len(F), runs, replace=repeats).astype(np.int64)
        chosen = _exchanged(F, held, chosen, repeats)
        value = log_det(np.concatenate([held, F[chosen]]))
        if value > best[0] + LEAST_GAIN:
            best = value, np.sort(chosen)
    if not np.isfinite(best[0]):
        raise ConfigError("no choice of candidates determines all parameters; take fewer terms.")
    return best[1]


def _exchanged(
    F: Floats, held: Floats, chosen: NDArray[np.int64], repeats: bool
) -> NDArray[np.int64]:
    """The design after all exchanges that pay."""
    ridge = RIDGE * float((F**2).mean()) * np.eye(F.shape[1])
    for _ in range(100 * len(chosen)):
        design = np.concatenate([held, F[chosen]])
        inverse = np.linalg.inv(design.T @ design + ridge)
        mutual = F[chosen] @ inverse @ F.T
        every = np.einsum("ij,jk,ik->i", F, inverse, F)
        own = every[chosen]
        gain = every[None, :] - (own[:, None] * every[None, :] - mutual**2) - own[:, None]
        if not repeats:
            gain[:, chosen] = -np.inf
        place, row = np.unravel_index(int(np.argmax(gain)), gain.shape)
        if gain[place, row] <= LEAST_GAIN:
            break
        chosen[place] = row
    return chosen


def box_hill(means: Floats, variances: Floats, noise: float, prior: Floats) -> Floats:
    """``(n,)`` upper bounds of what an experiment tells about which of K models is right.

    Box & Hill 1967, eq. 9.

    Args:
        means: ``(n, K)`` predictions.
        variances: ``(n, K)`` of the predictions, without noise.
        noise: Variance of an observation.
        prior: ``(K,)`` probabilities of the models.
    """
    total = variances + noise
    found = np.zeros(len(means))
    for i in range(means.shape[1]):
        for j in range(i + 1, means.shape[1]):
            spread = (variances[:, i] - variances[:, j]) ** 2 / (total[:, i] * total[:, j])
            apart = (means[:, i] - means[:, j]) ** 2 * (1 / total[:, i] + 1 / total[:, j])
            found += 0.5 * prior[i] * prior[j] * (spread + apart)
    return found


def discriminating(means: Floats, variances: Floats, noise: float, prior: Floats) -> Floats:
    """``(n,)`` expected information about which model is right, in nats, of one observation.

    The mutual information of the model's number and a normal observation (Lindley 1956), by
    Gauss-Hermite quadrature over each model's prediction. Arguments as of :func:`box_hill`, which
    bounds it from above.
    """
    x, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    std = np.sqrt(variances + noise)
    found = np.zeros(len(means))
    for k in range(means.shape[1]):
        if prior[k] <= 0.0:
            continue
        y = means[:, k, None] + std[:, k, None] * x
        z = (y[:, :, None] - means[:, None, :]) / std[:, None, :]
        log = np.log(np.maximum(prior, 1e-300)) - 0.5 * z**2 - np.log(std[:, None, :])
        own = log[:, :, k] - np.log(prior[k])
        top = log.max(axis=2)
        marginal = top + np.log(np.exp(log - top[:, :, None]).sum(axis=2))
        found += prior[k] * ((own - marginal) @ weights)
    return np.maximum(found, 0.0)


def expected_information(
    predictions: Floats, noise: float, rng: np.random.Generator, outer: int = 256
) -> Floats:
    """``(n,)`` expected information about parameters, in nats, by nested Monte Carlo.

    Ryan 2003, eq. 4; Rainforth et al. 2018 (arXiv 1709.06181), eq. 10: the mean of log p(y | theta)
    less the log of the mean over all draws. Its bias is upwards and falls as 1 / M.

    Args:
        predictions: ``(n, M)`` noise-free outcomes of each experiment for M draws of the parameters
            from what is believed of them (also of several models, by their probabilities).
        noise: Variance of an observation.
        rng: Of observations.
        outer: Of how many draws observations are made.
    """
    count, draws = predictions.shape
    found = np.zeros(count)
    rows = rng.permutation(draws)[:outer]
    for number in rows.tolist():
        y = predictions[:, number] + np.sqrt(noise) * rng.standard_normal(count)
        log = -0.5 * (y[:, None] - predictions) ** 2 / noise
        top = log.max(axis=1)
        marginal = top + np.log(np.exp(log - top[:, None]).mean(axis=1))
        found += log[:, number] - marginal
    return found / len(rows)


def believed(log_likelihoods: Floats, prior: Floats) -> Floats:
    """``(K,)`` probabilities of models after ``(K,)`` log (marginal) likelihoods: Bayes' rule."""
    log = np.log(np.maximum(prior, 1e-300)) + log_likelihoods
    weights = np.exp(log - log.max())
    return np.asarray(weights / weights.sum())
