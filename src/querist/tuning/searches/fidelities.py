"""What cheap runs say about dear ones: a process over points and fidelities.

The value at a distance d from the fidelity that counts is the function that counts, scaled by
1 + c d, and a bias of its own that grows with d (Kennedy & O'Hagan 2000, eq. 1, whose two levels
are d = 0 and 1; with c = 0 and one kernel it is the truncated kernel of Wu et al. 2019, arXiv
1903.04703). Hyper-parameters maximise the posterior density.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from querist.models import kernels
from querist.tuning.searches.beliefs import LEAST_STD, Floats, Process, with_usual

KERNEL = "matern52"
UNIT = 0.29  # standard deviation of an even spread over [0, 1]
JITTER = 1e-8
STARTS = (0.0, -0.7)  # values of c from which the search for hyper-parameters begins
ITERATIONS = 60
DOUBT = 2.0  # nats by which dear results alone must foretell better: less may be chance
JUDGED = 4  # dear results from which it is judged whether cheap ones explain them
_FAILED = 1e25


@dataclass(frozen=True, slots=True)
class Parts:
    """Hyper-parameters by name; all but ``slope`` are logarithms.

    Attributes:
        own, bias, shift, noise: Variances of the function, of the bias and of its constant part,
            and of noise.
        lengths, smooth: ``(d,)`` length scales of the function and of the bias.
        reach: Length scale of the bias along the fidelity.
        slope: c, how the function's scale changes with the distance.
    """

    own: float
    lengths: Floats
    slope: float
    bias: float
    smooth: Floats
    reach: float
    shift: float
    noise: float

    @classmethod
    def of(cls, theta: Floats) -> Parts:
        """From ``(2 d + 6,)`` numbers."""
        width = (len(theta) - 6) // 2
        a, b = 1 + width, 3 + width
        return cls(
            theta[0], theta[1:a], theta[a], theta[a + 1], theta[b : b + width], *theta[b + width :]
        )


def _prior(width: int) -> tuple[Floats, Floats]:
    """``(2 d + 6,)`` centres and spreads of the hyper-parameters."""
    length = 0.5 * np.log(max(1, width))
    wide = np.sqrt(3.0)
    centre = [0.0, *[length] * width, 0.0, -2.0, *[length + 0.7] * width, 0.5, -2.0, np.log(1e-4)]
    spread = [wide, *[wide] * width, 1.0, wide, *[wide] * width, 0.7, wide, 3.0]
    return np.array(centre), np.array(spread)


class Related:
    """A process of numbers measured at several fidelities.

    Args:
        X: ``(n, f)`` features.
        y: ``(n,)`` numbers.
        column: Of the fidelity among the features.
        target: Its feature that counts.
        start: A process whose hyper-parameters are taken; None to look for them.
        noise: ``(n,)`` variances of the numbers' noise, where they are known.
    """

    def __init__(
        self,
        X: Floats,
        y: Floats,
        column: int,
        target: float,
        start: Related | None = None,
        noise: Floats | None = None,
    ) -> None:
        self.X, self.y, self.column, self.target, self.noise = X, y, column, target, noise
        self._mean: float = float(y.mean()) if start is None else start._mean
        self._std: float = (float(y.std()) or 1.0) if start is None else start._std
        self._x, self._d = self._split(X)
        self._scaled = (y - self._mean) / self._std
        self._known: Floats = np.zeros(len(y)) if noise is None else noise / self._std**2
        self.theta: Floats = self._tuned() if start is None else start.theta
        K = self._own_covariance(self.theta)
        self._chol: Floats = np.asarray(np.linalg.cholesky(K), float)
        self._alpha = _solved(self._chol, self._scaled)

    def _split(self, X: Floats) -> tuple[Floats, Floats]:
        distance = np.abs(X[:, self.column] - self.target)
        return (np.delete(X, self.column, axis=1) - 0.5) / UNIT, distance

    def __call__(self, X: Floats) -> tuple[Floats, Floats]:
        """``(k,)`` means and standard deviations of the function."""
        half, prior, cross = self._conditioned(X)
        std = np.sqrt(np.maximum(prior - (half**2).sum(axis=0), 0.0)) * self._std
        mean = np.asarray(cross @ self._alpha) * self._std + self._mean
        return mean, np.maximum(std, LEAST_STD)

    def _conditioned(self, X: Floats) -> tuple[Floats, Floats, Floats]:
        from scipy.linalg import solve_triangular

        x, d = self._split(X)
        cross = covariance(self.theta, (x, d), (self._x, self._d))
        half = np.asarray(solve_triangular(self._chol, cross.T, lower=True), float)
        return half, variances(self.theta, d), cross

    def correlation(self, A: Floats, B: Floats) -> Floats:
        """``(k,)`` posterior correlations of results at rows of A and the function at rows of B.

        They differ in nothing but the fidelity; results have noise.
        """
        left, right = self._conditioned(A), self._conditioned(B)
        at, to = self._split(A), self._split(B)
        prior = paired(self.theta, at[0], at[1], to[1])
        noise = np.exp(Parts.of(self.theta).noise) + JITTER + float(np.median(self._known))
        own = np.maximum(left[1] - (left[0] ** 2).sum(axis=0), 0.0) + noise
        other = np.maximum(right[1] - (right[0] ** 2).sum(axis=0), 1e-12)
        both = prior - (left[0] * right[0]).sum(axis=0)
        return np.asarray(np.clip(both / np.sqrt(own * other), -1.0, 1.0))

    def believing(self, X: Floats) -> Related:
        """As if results at these points came out as expected."""
        both = np.concatenate([self.X, X]), np.concatenate([self.y, self(X)[0]])
        noise = with_usual(self.noise, len(X))
        return Related(*both, self.column, self.target, start=self, noise=noise)

    def left_out(self) -> Floats:
        """``(n,)`` log densities of each number given all others (Rasmussen & Williams 5.12)."""
        inverse = _solved(self._chol, np.eye(len(self.y)))
        return left_out(inverse, self._alpha) - float(np.log(self._std))

    def _own_covariance(self, theta: Floats) -> Floats:
        K = covariance(theta, (self._x, self._d), (self._x, self._d))
        K[np.diag_indices_from(K)] += np.exp(theta[-1]) + JITTER + self._known
        return K

    def _tuned(self) -> Floats:
        from scipy.optimize import minimize

        centre, spread = _prior(self._x.shape[1])
        box = [(c - 4.0 * s, c + 4.0 * s) for c, s in zip(centre, spread, strict=True)]
        least = np.log(1e-7)
        box[-1] = (least, np.log(0.3) if self.noise is None else least)
        found = []
        for slope in STARTS:
            start = centre.copy()
            start[1 + self._x.shape[1]] = slope
            start = np.clip(start, *np.transpose(box))
            ended = minimize(
                self._lack,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=box,
                options={"maxiter": ITERATIONS},
            )
            found.append((float(ended.fun), ended.x))
        return np.asarray(min(found, key=lambda one: one[0])[1])

    def _lack(self, theta: Floats) -> tuple[float, Floats]:
        """Minus the log posterior density of hyper-parameters, and its gradient."""
        centre, spread = _prior(self._x.shape[1])
        away = (theta - centre) / spread
        try:
            chol = np.asarray(np.linalg.cholesky(self._own_covariance(theta)), float)
        except np.linalg.LinAlgError:
            return _FAILED, np.zeros_like(theta)
        alpha = _solved(chol, self._scaled)
        value = 0.5 * self._scaled @ alpha + np.log(np.diag(chol)).sum() + 0.5 * away @ away
        weights = np.outer(alpha, alpha) - _solved(chol, np.eye(len(alpha)))
        slopes = [0.5 * float((weights * part).sum()) for part in slope(theta, self._x, self._d)]
        slopes.append(0.5 * float(np.exp(theta[-1]) * np.trace(weights)))
        return float(value), away / spread - np.array(slopes)


def _solved(chol: Floats, right: Floats) -> Floats:
    from scipy.linalg import cho_solve

    return np.asarray(cho_solve((chol, True), right))


def left_out(inverse: Floats, alpha: Floats) -> Floats:
    """``(n,)`` log densities of standardised numbers, each given all others."""
    precision = np.diag(inverse)
    return np.asarray(0.5 * np.log(precision / (2.0 * np.pi)) - 0.5 * alpha**2 / precision)


Where = tuple[Floats, Floats]


def covariance(theta: Floats, a: Where, b: Where) -> Floats:
    """``(n, m)`` prior covariances of points at distances from the fidelity that counts."""
    p = Parts.of(theta)
    near = kernels.squared_distances(a[0] / np.exp(p.lengths), b[0] / np.exp(p.lengths))
    apart = kernels.squared_distances(_wide(p, *a), _wide(p, *b))
    scale = np.outer(1 + p.slope * a[1], 1 + p.slope * b[1])
    grown = np.outer(a[1], b[1])
    bias = np.exp(p.bias) * kernels.correlation(KERNEL, apart) + np.exp(p.shift)
    return np.asarray(np.exp(p.own) * scale * kernels.correlation(KERNEL, near) + grown * bias)


def _wide(p: Parts, x: Floats, d: Floats) -> Floats:
    return np.column_stack([x / np.exp(p.smooth), d / np.exp(p.reach)])


def variances(theta: Floats, d: Floats) -> Floats:
    """``(k,)`` prior variances."""
    p = Parts.of(theta)
    return np.asarray(
        np.exp(p.own) * (1 + p.slope * d) ** 2 + d**2 * (np.exp(p.bias) + np.exp(p.shift))
    )


def paired(theta: Floats, x: Floats, d: Floats, other: Floats) -> Floats:
    """``(k,)`` prior covariances between two fidelities at the same points."""
    del x
    p = Parts.of(theta)
    reached = kernels.correlation(KERNEL, ((d - other) / np.exp(p.reach)) ** 2)
    own = np.exp(p.own) * (1 + p.slope * d) * (1 + p.slope * other)
    return np.asarray(own + d * other * (np.exp(p.bias) * reached + np.exp(p.shift)))


def slope(theta: Floats, x: Floats, d: Floats) -> Sequence[Floats]:
    """Derivatives of the covariance by all hyper-parameters but the noise."""
    p = Parts.of(theta)
    scaled, wide = x / np.exp(p.lengths), _wide(p, x, d)
    near = kernels.squared_distances(scaled, scaled)
    apart = kernels.squared_distances(wide, wide)
    rho, grown = 1 + p.slope * d, np.outer(d, d)
    scale, own, bias = np.outer(rho, rho), np.exp(p.own), np.exp(p.bias)
    k, kb = kernels.correlation(KERNEL, near), kernels.correlation(KERNEL, apart)
    s = own * scale * kernels.slope(KERNEL, near)
    sb = bias * grown * kernels.slope(KERNEL, apart)
    return [
        own * scale * k,
        *(s * (column[:, None] - column[None, :]) ** 2 for column in scaled.T),
        own * k * (np.outer(d, rho) + np.outer(rho, d)),
        bias * grown * kb,
        *(sb * (column[:, None] - column[None, :]) ** 2 for column in wide.T),
        np.exp(p.shift) * grown,
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """The process of dear runs only, for where cheap ones explain nothing.

    Attributes:
        inner: The process.
        column: Of the fidelity among the features.
        target: Its feature that counts.
    """

    inner: Process
    column: int
    target: float

    @property
    def X(self) -> Floats:  # noqa: N802 - as Process has it
        """``(n, f)`` features."""
        return self.inner.X

    @property
    def y(self) -> Floats:
        """``(n,)`` numbers."""
        return self.inner.y

    def __call__(self, X: Floats) -> tuple[Floats, Floats]:
        """``(k,)`` means and standard deviations."""
        return self.inner(X)

    def correlation(self, A: Floats, B: Floats) -> Floats:
        """1 at the fidelity that counts, 0 elsewhere."""
        del B
        return np.asarray(A[:, self.column] == self.target, float)

    def believing(self, X: Floats) -> Alone:
        """As if results at these points came out as expected; cheap ones tell nothing."""
        dear = X[X[:, self.column] == self.target]
        return Alone(self.inner.believing(dear), self.column, self.target) if len(dear) else self

    def left_out(self) -> Floats:
        """``(n,)`` log densities of each number given all others."""
        held = self.inner.held
        inverse = _solved(held.chol, np.eye(len(held.alpha)))
        return left_out(inverse, held.alpha) - float(np.log(held.y.std[0]))


def fitted(
    X: Floats, y: Floats, column: int, target: float, noise: Floats | None = None
) -> Related | Alone:
    """The process that foretells dear results better, each from all others."""
    related = Related(X, y, column, target, noise=noise)
    dear = X[:, column] == target
    if dear.sum() < JUDGED or dear.all():
        return related
    own = None if noise is None else noise[dear]
    alone = Alone(Process(X[dear], y[dear], noise=own), column, target)
    gained = float(related.left_out()[dear].sum() - alone.left_out().sum())
    return related if gained >= -DOUBT else alone
