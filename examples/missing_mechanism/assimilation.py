"""Fitting to data: at every step by an ensemble Kalman filter, and over all of it at once.

The filter's state is (logarithms of prey and predators, a correction to each rate). Corrections are
what the model lacks: they decay and are driven by noise, and each observation moves them (Evensen,
Ocean Dyn. 53, 343, 2003). Parameters belong to the state, too, without dynamics. A lag smoother
lets later observations speak of earlier corrections (Evensen & van Leeuwen, Mon. Weather Rev. 128,
1852, 2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from populations import BASE, COUNT, MECHANISMS, STEP, USUAL, Floats, advanced, columns, course
from scipy.optimize import least_squares
from scipy.stats import chi2

MEMBERS, LAG = 160, 16
MEMORY, SIZE = 0.25, 1.0  # years that a correction lasts, and its prior standard deviation, 1/year
LAGS = 12  # of autocorrelation that are looked at
NEAR = {"ftol": 1e-6, "xtol": 1e-6}  # when a fit is done: the criterion is then good to 0.001
DOUBT = 0.3  # of parameters, before any data, as a share


@dataclass(frozen=True, slots=True, eq=False)
class Assimilated:
    """What the filter found.

    Attributes:
        states: ``(COUNT, 2)`` smoothed logarithms.
        corrections: ``(COUNT, 2)`` smoothed, to the rates per head, in 1/year.
        last: ``(2,)`` the state at the last observation.
        parameters: ``(p,)`` as the last observation left them.
    """

    states: Floats
    corrections: Floats
    last: Floats
    parameters: Floats


def assimilate(
    seen: Floats,
    noise: float,
    added: Sequence[str],
    guess: Floats,
    rng: np.random.Generator,
    *,
    correct: bool = True,
) -> Assimilated:
    """Go through the data once.

    Args:
        seen: ``(COUNT, 2)`` observed logarithms.
        noise: Their standard deviation.
        added: Mechanisms of the model.
        guess: ``(p,)`` parameters before any data.
        rng: Of the ensemble.
        correct: Whether rates may be corrected; without it, only parameters and states are.
    """
    now = seen[0] + noise * rng.standard_normal((MEMBERS, 2))
    theta = guess + DOUBT * np.maximum(np.abs(guess), 0.3) * rng.standard_normal(
        (MEMBERS, len(guess))
    )
    size = SIZE * float(correct)
    wrong = size * rng.standard_normal((MEMBERS, 2))
    keep = np.exp(-STEP / MEMORY)
    past = [np.concatenate([now, wrong], axis=1)]
    for k in range(1, COUNT):
        now = advanced(now, (k - 1) * STEP, theta, added, wrong)
        kick = size * np.sqrt(1 - keep**2) * rng.standard_normal((MEMBERS, 2))
        wrong = keep * wrong + kick
        if not correct:  # else an ensemble that is too sure would not follow the data
            now = now + 0.3 * noise * rng.standard_normal((MEMBERS, 2))
        early = past[-LAG:]
        joint = np.concatenate([now, wrong, theta, *early], axis=1)
        joint = _updated(joint, seen[k] + noise * rng.standard_normal((MEMBERS, 2)), noise)
        now, wrong, theta = np.split(joint[:, : 4 + theta.shape[1]], [2, 4], axis=1)
        for j in range(len(early)):
            at = 4 + theta.shape[1] + 4 * j
            past[j - len(early)] = joint[:, at : at + 4]
        past.append(np.concatenate([now, wrong], axis=1))
    means = np.array([one.mean(axis=0) for one in past])
    return Assimilated(means[:, :2], means[:, 2:], now.mean(axis=0), theta.mean(axis=0))


def _updated(joint: Floats, told: Floats, noise: float) -> Floats:
    """The ensemble after perturbed observations ``told`` (n, 2) of its first two columns."""
    away = joint - joint.mean(axis=0)
    seen = away[:, :2]
    within = seen.T @ seen / (len(joint) - 1) + noise**2 * np.eye(2)
    gain = np.linalg.solve(within, seen.T @ away / (len(joint) - 1))
    return np.asarray(joint + (told - joint[:, :2]) @ gain)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """One course through all data.

    Attributes:
        added: Mechanisms of the model.
        values: ``(p,)`` parameters, then ``(2,)`` the start.
        std: Of ``values``.
        residuals: ``(COUNT, 2)`` in units of the noise.
        last: ``(2,)`` the state at the last observation.
    """

    added: tuple[str, ...]
    values: Floats
    std: Floats
    residuals: Floats
    last: Floats

    @property
    def parameters(self) -> Floats:
        """``(p,)``."""
        return self.values[:-2]

    @property
    def badness(self) -> float:
        """Schwarz's criterion, extended for the choice among candidates; less is better.

        Chen & Chen, Biometrika 95, 759, 2008: among many candidates one fits noise by chance.
        """
        ways = comb(len(MECHANISMS), len(self.added))
        known = len(self.values) * np.log(self.residuals.size) + 2 * np.log(ways)
        return float((self.residuals**2).sum() + known)

    def coefficients(self, name: str) -> tuple[Floats, Floats]:
        """Coefficients of a mechanism and their standard deviations."""
        at = len(BASE) + len(columns(self.added[: self.added.index(name)]))
        rows = slice(at, at + len(columns([name])))
        return self.values[rows], self.std[rows]


def fit(
    seen: Floats, noise: float, added: Sequence[str], parameters: Floats, start: Floats
) -> Fitted:
    """Parameters and start by least squares, with the standard deviations of the linearised fit."""
    known: dict[bytes, Floats] = {}

    def paths(values: Floats) -> Floats:
        """Of these values and of each changed a little: one integration serves both."""
        key = values.tobytes()
        if key not in known:
            all_ = np.vstack([values, values + np.diag(_small(values))])
            known.clear()
            known[key] = course(all_[:, -2:], all_[:, :-2], added, COUNT) / noise
        return known[key]

    def residuals(values: Floats) -> Floats:
        return np.ravel(paths(values)[:, 0] - seen / noise)

    def slopes(values: Floats) -> Floats:
        found = paths(values)
        away = (found[:, 1:] - found[:, :1]) / _small(values)[None, :, None]
        return away.transpose(0, 2, 1).reshape(-1, len(values))

    begin = np.concatenate([parameters, start])
    found = least_squares(residuals, begin, jac=slopes, x_scale="jac", max_nfev=30, **NEAR)
    std = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac)))
    last = course(found.x[None, -2:], found.x[None, :-2], added, COUNT)[-1, 0]
    return Fitted(tuple(added), found.x, std, found.fun.reshape(-1, 2), last)


def _small(values: Floats) -> Floats:
    return np.asarray(1e-5 * np.maximum(1.0, np.abs(values)))


def whiteness(residuals: Floats) -> float:
    """Probability that noise alone leaves residuals so large or so correlated, of the worst test.

    Ljung & Box, Biometrika 65, 297, 1978, for both series, and their sum of squares; by Bonferroni.
    """
    n = len(residuals)
    found = [float(chi2.sf((residuals**2).sum(), residuals.size))]
    lags = np.arange(1, LAGS + 1)
    for series in (residuals - residuals.mean(axis=0)).T:
        total = float(series @ series)
        r = np.array([float(series[k:] @ series[:-k]) / total for k in lags])
        found.append(
            float(chi2.sf(n * (n + 2) * (r**2 / (n - np.arange(1, LAGS + 1))).sum(), LAGS))
        )
    return min(1.0, 3 * min(found))


def usual() -> Floats:
    """Rates before any data."""
    return USUAL.copy()
