"""A committee that needs NumPy only: Bayesian ridge regression on random Fourier features.

A member is one exact draw from the posterior of the linear model on its own random features
(Rahimi & Recht 2007), made by drawing from the prior and correcting it to the labels (Matheron's
rule; Wilson et al. 2020; "randomized priors", Osband et al. 2018). So members agree where there
are labels and differ as much as the prior allows far from them, which a bootstrap of ridge
regressions does not: far away all of its members return to the mean together.

Members 2j and 2j + 1 have the same features and opposite prior draws: their mean is exactly the
ridge regression, free of sampling noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset
from querist.core.batch import Array, Batch
from querist.core.errors import ConfigError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState

from . import kernels
from .members import (
    check_format,
    check_members,
    combine,
    member_rng,
    not_loaded,
    rejoin,
    stop_between,
    wanted_members,
)
from .table import Fields, Scaler, Training

Matrix = NDArray[np.float64]
FORMAT = "querist.random_features/1"
# Relative to the function's variance; a smaller noise would let an exactly linear label ask for an
# endless length scale.
_NOISES = np.logspace(-8, 0, 17)
_LENGTHS = np.logspace(-1.0, 0.5, 16)
# Labels that judge the hyper-parameters: enough to tell, and cheap.
_EVIDENCE_ROWS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Hyper:
    """Hyper-parameters of one output field, in units of standardised inputs and outputs.

    Attributes:
        length: Length scale of all inputs.
        noise: Variance of the labels' noise relative to that of the function.
        variance: ``(q,)`` prior variance of each of the field's numbers.
        evidence: Log marginal likelihood of a label, on average.
    """

    length: float
    noise: float
    variance: Matrix
    evidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """A member before it has seen labels: everything at unit scale.

    Attributes:
        frequencies: ``(d, D)``.
        weights: ``(2D, q)`` of the function drawn from the prior.
        noise: ``(n, q)`` of the labels.
    """

    frequencies: Matrix
    weights: Matrix
    noise: Matrix


Members = slice | list[int]


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """All members stacked, in single arrays.

    Attributes:
        x, y: Means and deviations, ``(M, 1, d)`` and ``(M, 1, q)``.
        frequencies: ``(M, d, D)``.
        lengths: ``(M, f)``, one length scale for each output field.
        weights: ``(M, 2D, q)``.
    """

    inputs: Fields
    outputs: Fields
    x: Scaler
    y: Scaler
    frequencies: Matrix
    lengths: Matrix
    weights: Matrix


@dataclass(eq=False)
class RandomFeatures:
    """A committee of Bayesian ridge regressions on random Fourier features.

    Cost: a fit O(n min(n, 2D)^2) a member, a prediction O(D (d + q)) a member, whatever the number
    of labels. With far more labels than ``2 * features`` the uncertainty shrinks too much
    ("variance starvation"): raise ``features``, or use a Gaussian process.

    Attributes:
        inputs: Input fields, numeric and of one shape each; None for all.
        outputs: Output fields, likewise.
        members: Size of the committee; even numbers make full use of opposite draws.
        features: Number D of random frequencies; each gives a cosine and a sine.
        kernel: "rbf" for very smooth functions, "matern52", or "auto": that of greater evidence.
    """

    inputs: Sequence[str] | None = None
    outputs: Sequence[str] | None = None
    members: int = 8
    features: int = 256
    kernel: str = "auto"
    _loaded: _Loaded | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kernel != "auto":
            kernels.check_kernel(self.kernel)
        if self.members < 2 or self.features < 1:
            raise ConfigError(
                "RandomFeatures wants at least 2 members and 1 feature, but got "
                f"{self.members} and {self.features}."
            )

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit to the rows of purpose "train"; previous weights are not needed.

        Raises:
            RunError: If there is nothing to fit, or the fit was stopped.
            ShapeError: If a field is missing, ragged or not numeric.
            UnsupportedSample: If a value is not finite.
        """
        data = Training.of(dataset, self.inputs, self.outputs, "RandomFeatures")
        x, y = Scaler.of(data.X, data.inputs), Scaler.of(data.Y, data.outputs)
        X, Y = x.apply(data.X), y.apply(data.Y)
        groups = _groups(data.outputs)
        kernel, hypers = self._choose(X, [Y[:, group] for group in groups], request.seed)
        arrays: dict[str, Array] = {}
        chosen = wanted_members(request, self.members)
        for done, member in enumerate(chosen):
            stop_between(request, done, len(chosen))
            draws = self._prior(kernel, X.shape[1], Y.shape, request.seed, member)
            drawn = condition(draws, X, Y, list(zip(groups, hypers, strict=True)))
            arrays |= {f"m{member}/{name}": array for name, array in drawn.items()}
            arrays |= x.arrays(f"m{member}/x_") | y.arrays(f"m{member}/y_")
        state = ModelState(arrays, {"format": FORMAT, "members": self.members, **data.metadata()})
        return FitResult(state, _metrics(data, hypers))

    def _choose(self, X: Matrix, Ys: list[Matrix], seed: int) -> tuple[str, list[Hyper]]:
        """The kernel of greatest evidence over all fields, and each field's hyper-parameters."""
        rows = np.random.default_rng(seed).permutation(len(X))[:_EVIDENCE_ROWS]
        names = kernels.KERNELS if self.kernel == "auto" else (self.kernel,)
        found = [(name, [choose_hyper(name, X[rows], Y[rows]) for Y in Ys]) for name in names]
        return max(found, key=lambda choice: sum(hyper.evidence for hyper in choice[1]))

    def _prior(
        self, kernel: str, width: int, shape: tuple[int, ...], seed: int, member: int
    ) -> Draws:
        rng, sign = member_rng(seed, member // 2), 1.0 - 2.0 * (member % 2)
        omega = kernels.frequencies(kernel, (width, self.features), rng)
        weights = sign * rng.standard_normal((2 * self.features, shape[1]))
        return Draws(omega, weights, sign * rng.standard_normal(shape))

    def load(self, state: ModelState) -> None:
        """Use this state from the next prediction on.

        Raises:
            RunError: If it is of another kind, or a member is missing.
        """
        check_format(state, FORMAT, "RandomFeatures")
        count = check_members(state, "/weights", "RandomFeatures")

        def stacked(name: str) -> Matrix:
            arrays = [state.arrays[f"m{i}/{name}"] for i in range(count)]
            return np.stack([np.asarray(array, np.float64) for array in arrays])

        self._loaded = _Loaded(
            Fields.from_metadata(state.data["inputs"]),
            Fields.from_metadata(state.data["outputs"]),
            Scaler(stacked("x_mean")[:, None], stacked("x_std")[:, None]),
            Scaler(stacked("y_mean")[:, None], stacked("y_std")[:, None]),
            stacked("frequencies"),
            stacked("lengths"),
            stacked("weights"),
        )

    def predict(self, batch: Batch) -> Prediction:
        """Mean and standard deviation over the members, which are given as well.

        Raises:
            RunError: Before :meth:`load`.
            ShapeError: If a field is missing or has another shape than in training.
            UnsupportedSample: If a value is not finite.
        """
        # Opposite draws leave their mean free of sampling noise, so nothing is to be corrected.
        return combine(self._values(batch), self._held.outputs, ddof=0)

    def embed(self, batch: Batch) -> Matrix:
        """``(n, 2D)`` random features of the first output, in which it is linear."""
        held = self._held
        x = held.x.take([0])
        phases = x.apply(held.inputs.matrix(batch, "RandomFeatures")[None])[0]
        return fourier(phases @ held.frequencies[0] / held.lengths[0, 0])

    @property
    def loaded_members(self) -> int:
        """How many members predict."""
        return len(self._held.weights)

    def predict_members(self, batch: Batch, members: Sequence[int]) -> tuple[Batch, ...]:
        """The outputs of some members; as :meth:`predict`."""
        return tuple(map(self._held.outputs.split, self._values(batch, list(members))))

    def combine(self, batch: Batch, outputs: Sequence[Batch]) -> Prediction:
        """The prediction from the outputs of all members."""
        return rejoin(outputs, self._held.outputs, "RandomFeatures", ddof=0)

    @property
    def _held(self) -> _Loaded:
        if self._loaded is None:
            raise not_loaded("RandomFeatures")
        return self._loaded

    def _values(self, batch: Batch, members: Members = slice(None)) -> Matrix:
        """``(M, n, q)`` outputs."""
        held = self._held
        X = held.inputs.matrix(batch, "RandomFeatures")
        x, y = held.x.take(members), held.y.take(members)
        phases = x.apply(X[None]) @ held.frequencies[members]
        values = np.empty((*phases.shape[:2], held.outputs.width))
        for index, group in enumerate(_groups(held.outputs)):
            phi = fourier(phases / held.lengths[members, index, None, None])
            values[..., group] = phi @ held.weights[members][..., group]
        return y.undo(values)


def _groups(outputs: Fields) -> list[slice]:
    """The columns of each field."""
    stops = np.cumsum(outputs.widths).tolist()
    return [slice(stop - width, stop) for width, stop in zip(outputs.widths, stops, strict=True)]


def condition(
    draws: Draws, X: Matrix, Y: Matrix, hypers: Sequence[tuple[slice, Hyper]]
) -> dict[str, Array]:
    """Correct a draw from the prior to the labels, field by field (Matheron's rule)."""
    weights = np.empty_like(draws.weights)
    for group, hyper in hypers:
        phi, scale = fourier(X @ (draws.frequencies / hyper.length)), np.sqrt(hyper.variance)
        noise = np.sqrt(hyper.noise) * draws.noise[:, group]
        drawn = scale * (phi @ draws.weights[:, group] + noise)
        correction = ridge(phi, Y[:, group] - drawn, hyper.noise)
        weights[:, group] = scale * draws.weights[:, group] + correction
    lengths = np.array([hyper.length for _, hyper in hypers])
    return {"frequencies": draws.frequencies, "lengths": lengths, "weights": weights}


def _metrics(data: Training, hypers: Sequence[Hyper]) -> dict[str, float]:
    metrics = {"train.rows": float(len(data.X))}
    for name, hyper in zip(data.outputs.names, hypers, strict=True):
        metrics[f"{name}.length_scale"] = hyper.length
        metrics[f"{name}.noise"] = hyper.noise
        metrics[f"{name}.evidence"] = hyper.evidence
    return metrics


def fourier(phases: Matrix) -> Matrix:
    """``(..., 2D)`` features of ``(..., D)`` phases: cosines, then sines, over sqrt(D)."""
    features = np.concatenate([np.cos(phases), np.sin(phases)], axis=-1)
    return np.asarray(features / np.sqrt(phases.shape[-1]))


def ridge(phi: Matrix, residual: Matrix, noise: float) -> Matrix:
    """``(p, q)`` ridge weights of ``(n, p)`` features, in the smaller of the two spaces."""
    if len(phi) <= phi.shape[1]:
        gram = phi @ phi.T + noise * np.eye(len(phi))
        return np.asarray(phi.T @ np.linalg.solve(gram, residual))
    gram = phi.T @ phi + noise * np.eye(phi.shape[1])
    return np.asarray(np.linalg.solve(gram, phi.T @ residual))


def choose_hyper(kernel: str, X: Matrix, Y: Matrix) -> Hyper:
    """The length scale and noise of greatest evidence on a grid.

    The evidence is that of the exact kernel with the variances of the outputs at their best values
    (Rasmussen & Williams 2006, eq. 5.8). It judges by the labels it is fitted to, so no label is
    held back, and remains sensible for ten of them.
    """
    squared = kernels.squared_distances(X, X)
    distances = np.sqrt(squared[squared > 1e-12])
    typical = float(np.median(distances)) if len(distances) else 1.0
    found = [
        _evidence(kernels.correlation(kernel, squared / length**2), Y, length)
        for length in (typical * _LENGTHS).tolist()
    ]
    return max(found, key=lambda hyper: hyper.evidence)


def _evidence(K: Matrix, Y: Matrix, length: float) -> Hyper:
    """The noise of greatest evidence at one length scale; one eigendecomposition for all."""
    values, vectors = np.linalg.eigh(K)
    spectrum = np.maximum(values, 0.0)[None] + _NOISES[:, None]
    power = (vectors.T @ Y) ** 2
    # One imagined label of unit variance: a single label, or equal ones, do not prove certainty.
    variance = ((1.0 / spectrum) @ power + 1.0) / (len(Y) + 1.0)
    fit = np.log(variance).mean(axis=1) + np.log(spectrum).mean(axis=1)
    best = int(np.argmin(fit))
    evidence = -0.5 * (float(fit[best]) + 1.0 + float(np.log(2.0 * np.pi)))
    return Hyper(length, float(_NOISES[best]), variance[best], evidence)
