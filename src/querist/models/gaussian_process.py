"""Exact Gaussian-process regression with an analytic standard deviation, one process an output.

Rasmussen & Williams, Gaussian Processes for Machine Learning (2006): algorithm 2.1 predicts, the
hyper-parameters maximise the log marginal likelihood (eq. 5.8) by its gradient (eq. 5.9), with
wide priors on the variance and on the length scales, the latter centred where the number of inputs
suggests (Hvarfner et al. 2024): without them, a handful of labels would be fitted with no doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError, RunError, ShapeError, UnsupportedSample
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState

from . import kernels
from .members import check_format, not_loaded
from .table import Fields, Scaler, Training, training_rows

Matrix = NDArray[np.float64]
FORMAT = "querist.gaussian_process/1"
_VARIANCE, _NOISE, _LENGTH = (1e-3, 1e3), (1e-8, 1.0), (1e-2, 1e3)
_SPREAD = float(np.sqrt(3.0))  # of the priors on the logarithms of variance and length scales
_FAILED = 1e25


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """``X (n, d)``, ``theta (q, d + 2)``, ``chol (q, n, n)`` and ``alpha (q, n)``."""

    inputs: Fields
    outputs: Fields
    x: Scaler
    y: Scaler
    X: Matrix
    theta: Matrix
    chol: Matrix
    alpha: Matrix


@dataclass(eq=False)
class GaussianProcess:
    """Gaussian-process regression; every number of every output is a process of its own.

    Cost: a fit O(q n^3), a prediction O(q n^2) a sample, a state of q n^2 numbers. It is
    deterministic, and has no members.

    Attributes:
        inputs: Input fields, numeric and of one shape each; None for all.
        outputs: Output fields, likewise.
        kernel: "matern52" or "rbf", with a length scale for each input number.
        max_rows: With more labels than this, a random choice of so many is used; the metrics
            "train.rows" and "train.available" tell.
        tune_rows: Likewise for the search for hyper-parameters.
        noisy: Whether the standard deviation is that of a new label (with the noise found) instead
            of that of the function.
        length_spread: Standard deviation of the prior on the logarithms of length scales.
        noise_prior: Mean and standard deviation of one on the logarithm of the noise's variance,
            that of the labels being 1; None for none.
        errors: A field beside the outputs, of as many numbers, with the standard error of each
            label; then no other noise is looked for. None where nothing is known of it.
    """

    inputs: Sequence[str] | None = None
    outputs: Sequence[str] | None = None
    kernel: str = "matern52"
    max_rows: int = 2000
    tune_rows: int = 300
    noisy: bool = False
    length_spread: float = _SPREAD
    noise_prior: tuple[float, float] | None = None
    errors: str | None = None
    _loaded: _Loaded | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        kernels.check_kernel(self.kernel)
        if min(self.max_rows, self.tune_rows) < 1:
            raise ConfigError("GaussianProcess wants max_rows and tune_rows of at least 1.")
        if min(self.length_spread, (self.noise_prior or (0.0, 1.0))[1]) <= 0.0:
            raise ConfigError("GaussianProcess wants priors of standard deviations above 0.")

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit to the rows of purpose "train"; the search starts from previous hyper-parameters.

        Where ``should_stop`` turns true, the best hyper-parameters so far are used.

        Raises:
            RunError: If there is nothing to fit.
            ShapeError: If a field is missing, ragged or not numeric.
            UnsupportedSample: If a value is not finite, or an error not above zero.
        """
        data = Training.of(dataset, self.inputs, self._outputs(dataset), "GaussianProcess")
        x, y = Scaler.of(data.X, data.inputs), Scaler.of(data.Y, data.outputs)
        known = self._known(dataset, y)
        rows = np.random.default_rng(request.seed).permutation(len(data.X))
        kept = np.sort(rows[: self.max_rows])
        X, Y, tune = x.apply(data.X)[kept], y.apply(data.Y)[kept], rows[: self.tune_rows]
        few = x.apply(data.X[tune]), y.apply(data.Y[tune])
        prior = Prior.of(data.inputs.width, self.length_spread, self.noise_prior)
        tuned = [
            maximise(
                self.kernel,
                few[0],
                few[1][:, j],
                start,
                request.should_stop,
                replace(prior, known=known[tune, j]),
            )
            for j, start in enumerate(self._starts(data, request.previous))
        ]
        theta = np.stack([best for best, _ in tuned])
        solved = [
            factorise(self.kernel, X, Y[:, j], theta[j], known[kept, j]) for j in range(len(theta))
        ]
        arrays: dict[str, Array] = {
            "X": X,
            "theta": theta,
            "chol": np.stack([chol for chol, _ in solved]),
            "alpha": np.stack([alpha for _, alpha in solved]),
            **x.arrays("x_"),
            **y.arrays("y_"),
            **({} if self.errors is None else {"known": known[kept].T}),
        }
        metrics = {
            "train.rows": float(len(X)),
            "train.available": float(len(data.X)),
            "evidence": float(np.mean([value for _, value in tuned]) / len(tune)),
        }
        state = {"format": FORMAT, "kernel": self.kernel, **data.metadata()}
        return FitResult(ModelState(arrays, state), metrics)

    def _outputs(self, dataset: Dataset) -> Sequence[str] | None:
        """Fields that are learned; by default all but the errors."""
        if self.outputs is not None or self.errors is None:
            return self.outputs
        return sorted(set(dataset.outputs.columns) - {self.errors})

    def _known(self, dataset: Dataset, y: Scaler) -> Matrix:
        """``(n, q)`` known variances of scaled labels; 0 where nothing is known."""
        labels = training_rows(dataset, "GaussianProcess").outputs
        if self.errors is None:
            return np.zeros((len(labels), len(y.std)))
        field = Fields.of(labels, [self.errors], "GaussianProcess")
        errors = field.matrix(labels, "GaussianProcess")
        if errors.shape[1] != len(y.std):
            raise ShapeError(
                f"GaussianProcess wants an error of each of the {len(y.std)} numbers of a label, "
                f"but {self.errors!r} has {errors.shape[1]}."
            )
        if errors.min() <= 0.0:
            raise UnsupportedSample(
                f"GaussianProcess wants standard errors above zero, but {self.errors!r} has "
                f"{errors.min():g}."
            )
        return np.asarray((errors / y.std) ** 2)

    def _starts(self, data: Training, previous: ModelState | None) -> Matrix:
        """``(q, d + 2)`` hyper-parameters to start from."""
        wanted = data.outputs.width, data.inputs.width + 2
        if previous is not None and previous.data.get("format") == FORMAT:
            theta = np.asarray(previous.arrays["theta"], np.float64)
            if theta.shape == wanted and previous.data["kernel"] == self.kernel:
                return theta
        return np.tile(_centre(data.inputs.width), (wanted[0], 1))

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on.

        Raises:
            RunError: If it is of another kind of model or kernel.
        """
        check_format(state, FORMAT, "GaussianProcess")
        if state.data["kernel"] != self.kernel:
            raise RunError(
                f"this GaussianProcess has the kernel {self.kernel!r}, but the state is of "
                f"{state.data['kernel']!r}."
            )
        held = {name: np.asarray(array, np.float64) for name, array in state.arrays.items()}
        self._loaded = _Loaded(
            Fields.from_metadata(state.data["inputs"]),
            Fields.from_metadata(state.data["outputs"]),
            Scaler.from_arrays(held, "x_"),
            Scaler.from_arrays(held, "y_"),
            held["X"],
            held["theta"],
            held["chol"],
            held["alpha"],
        )

    def predict(self, batch: Batch) -> Prediction:
        """Posterior mean and standard deviation.

        Raises:
            RunError: Before :meth:`load`.
            ShapeError: If a field is missing or has another shape than in training.
            UnsupportedSample: If a value is not finite.
        """
        if self._loaded is None:
            raise not_loaded("GaussianProcess")
        held = self._loaded
        X = held.x.apply(held.inputs.matrix(batch, "GaussianProcess"))
        found = [self._posterior(held, X, j) for j in range(held.outputs.width)]
        mean = np.stack([mean for mean, _ in found], axis=1)
        std = np.sqrt(np.stack([variance for _, variance in found], axis=1))
        split = held.outputs.split
        return Prediction(split(held.y.undo(mean)), split(std * held.y.std))

    def embed(self, batch: Batch) -> Matrix:
        """``(n, d)`` inputs in units of their length scales, of the first output."""
        if self._loaded is None:
            raise not_loaded("GaussianProcess")
        held = self._loaded
        X = held.x.apply(held.inputs.matrix(batch, "GaussianProcess"))
        return np.asarray(X / np.exp(held.theta[0, 1:-1]))

    def _posterior(self, held: _Loaded, X: Matrix, output: int) -> tuple[Matrix, Matrix]:
        from scipy.linalg import solve_triangular

        theta = held.theta[output]
        variance, noise = float(np.exp(theta[0])), float(np.exp(theta[-1]))
        cross = covariance(self.kernel, X, held.X, theta)
        if not len(X):
            return np.zeros(0), np.zeros(0)
        half = solve_triangular(held.chol[output], cross.T, lower=True)
        left = np.maximum(variance - (half**2).sum(axis=0), 0.0)
        return np.asarray(cross @ held.alpha[output]), left + (noise if self.noisy else 0.0)


def covariance(kernel: str, A: Matrix, B: Matrix, theta: Matrix) -> Matrix:
    """``(n, m)`` prior covariances; theta is (log variance, log lengths ..., log noise)."""
    lengths = np.exp(theta[1:-1])
    squared = kernels.squared_distances(A / lengths, B / lengths)
    return np.asarray(np.exp(theta[0]) * kernels.correlation(kernel, squared))


def factorise(
    kernel: str, X: Matrix, y: Matrix, theta: Matrix, known: Matrix | float = 0.0
) -> tuple[Matrix, Matrix]:
    """The Cholesky factor of the labels' covariance, ``(n, n)`` lower, and its solution for y.

    ``known`` are variances of the labels' noise besides that of theta.
    """
    from scipy.linalg import cho_solve

    K = covariance(kernel, X, X, theta)
    K[np.diag_indices_from(K)] += np.exp(theta[-1]) + known
    chol = np.asarray(np.linalg.cholesky(K))
    return chol, np.asarray(cho_solve((chol, True), y))


def log_likelihood(
    kernel: str, X: Matrix, y: Matrix, theta: Matrix, known: Matrix | float = 0.0
) -> tuple[float, Matrix]:
    """Log marginal likelihood of ``(n,)`` labels and its ``(d + 2,)`` gradient (eqs. 5.8, 5.9).

    Raises:
        numpy.linalg.LinAlgError: If the covariance is not positive definite in float64.
    """
    from scipy.linalg import cho_solve

    chol, alpha = factorise(kernel, X, y, theta, known)
    value = -0.5 * y @ alpha - np.log(np.diag(chol)).sum() - 0.5 * len(y) * np.log(2.0 * np.pi)
    weights = np.outer(alpha, alpha) - cho_solve((chol, True), np.eye(len(y)))
    noise = np.exp(theta[-1])
    scaled = X / np.exp(theta[1:-1])
    squared = kernels.squared_distances(scaled, scaled)
    variance = np.exp(theta[0])
    by_variance = 0.5 * variance * (weights * kernels.correlation(kernel, squared)).sum()
    slopes = variance * weights * kernels.slope(kernel, squared)
    # sum_ij S_ij (x_i - x_j)^2 = 2 (sum_i x_i^2 sum_j S_ij - x^T S x), one product for all inputs.
    by_length = (scaled**2 * slopes.sum(axis=1)[:, None] - scaled * (slopes @ scaled)).sum(axis=0)
    return float(value), np.array([by_variance, *by_length, 0.5 * noise * np.trace(weights)])


def _centre(width: int) -> Matrix:
    """Hyper-parameters to expect: unit variance, lengths of sqrt(d), little noise."""
    lengths = np.full(width, 0.5 * np.log(max(1, width)))
    return np.concatenate([[0.0], lengths, [np.log(1e-3)]])


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Independent normal priors on the ``(d + 2,)`` logarithms of hyper-parameters.

    Attributes:
        centre: Their means.
        precision: One over their standard deviations; 0 for a flat one.
        known: ``(n,)`` variances of the labels' noise that are known; 0 for none.
    """

    centre: Matrix
    precision: Matrix
    known: Matrix | float = 0.0

    @classmethod
    def of(
        cls, width: int, lengths: float = _SPREAD, noise: tuple[float, float] | None = None
    ) -> Prior:
        """Of ``width`` inputs; arguments as the attributes of :class:`GaussianProcess`."""
        centre, precision = _centre(width), np.full(width + 2, 1.0 / lengths)
        precision[0], precision[-1] = 1.0 / _SPREAD, 0.0
        if noise is not None:
            centre[-1], precision[-1] = noise[0], 1.0 / noise[1]
        return cls(centre, precision)

    def penalty(self, theta: Matrix) -> tuple[float, Matrix]:
        """Minus the logarithm of the density, up to a constant, and its gradient."""
        away = (theta - self.centre) * self.precision
        return 0.5 * float(away @ away), away * self.precision


class _Stopped(Exception):
    """Ends a search that has its best point already."""


def maximise(
    kernel: str,
    X: Matrix,
    y: Matrix,
    start: Matrix,
    should_stop: Callable[[], bool],
    prior: Prior | None = None,
) -> tuple[Matrix, float]:
    """Hyper-parameters of greatest posterior density by L-BFGS-B, and their log likelihood.

    Where variances of noise are known, no other noise is looked for.
    """
    from scipy.optimize import minimize

    prior = prior or Prior.of(X.shape[1])
    best: list[tuple[float, Matrix, float]] = [(np.inf, start, 0.0)]

    def objective(theta: Matrix) -> tuple[float, Matrix]:
        # At least one evaluation, so that there is a likelihood to report.
        if np.isfinite(best[0][0]) and should_stop():
            raise _Stopped
        try:
            value, gradient = log_likelihood(kernel, X, y, theta, prior.known)
        except np.linalg.LinAlgError:
            return _FAILED, np.zeros_like(theta)
        penalty, slope = prior.penalty(theta)
        loss, slope = penalty - value, slope - gradient
        if loss < best[0][0]:
            best[0] = loss, theta.copy(), value
        return loss, slope

    noise = (_NOISE[0], _NOISE[0]) if np.any(prior.known) else _NOISE
    pairs = [_VARIANCE, *[_LENGTH] * X.shape[1], noise]
    bounds = [(float(np.log(low)), float(np.log(high))) for low, high in pairs]
    first = np.clip(start, *np.transpose(bounds))
    with suppress(_Stopped):
        minimize(objective, first, (), "L-BFGS-B", True, bounds=bounds, options={"maxiter": 100})
    if not np.isfinite(best[0][0]):
        raise RunError("the labels' covariance is not positive definite; are inputs duplicated?")
    return best[0][1], best[0][2]
