"""A Gaussian process over fingerprints, by the share of bits that two molecules have in common.

The kernel of Tanimoto (Gower 1971; for molecules Ralaivola et al. 2005, doi
10.1016/j.neunet.2005.07.009): <a, b> / (<a, a> + <b, b> - <a, b>), positive definite for bits. The
library's own processes have a length scale for each of the 1,024 bits and suit tens of inputs; this
one has two parameters, scale and noise, which maximise the marginal likelihood in closed form and
on a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import RunError
from querist.core.prediction import Prediction
from querist.core.roles import FitRequest, FitResult, ModelState

Matrix = NDArray[np.float64]
FORMAT = "drug_candidates.tanimoto/1"
NOISES = np.geomspace(1e-4, 1.0, 17)
"""Ratios of the noise's variance to the kernel's that are tried."""


def tanimoto(a: Matrix, b: Matrix) -> Matrix:
    """Similarities of the rows of bits ``(n, d)`` and ``(m, d)``, 1 of equals (n, m)."""
    common = a @ b.T
    return np.asarray(common / (a.sum(axis=1)[:, None] + b.sum(axis=1)[None] - common))


def evidence(
    values: Matrix, rotated: tuple[Matrix, Matrix], ratio: float
) -> tuple[float, float, float]:
    """Log marginal likelihood, mean and scale, the best of both for a ``ratio`` of noise.

    Args:
        values: Eigenvalues of the kernel's matrix (n,).
        rotated: Labels, and ones, in its eigenvectors, each (n,).
        ratio: Of the noise's variance to the kernel's.
    """
    y, ones = rotated
    weights = 1.0 / (values + ratio)
    mean = float((weights * ones * y).sum() / (weights * ones**2).sum())
    scale = float((weights * (y - mean * ones) ** 2).mean())
    scale = max(scale, 1e-12)
    return float(-0.5 * (len(y) * np.log(scale) - np.log(weights).sum())), mean, scale


@dataclass(eq=False)
class TanimotoProcess:
    """The process of one output. It is deterministic, but for the draws that ``draws`` asks for.

    Attributes:
        inputs: The field of bits. outputs: The output, one number. draws: So many joint draws of
        the posterior are its members (for Thompson sampling); 0 for none.
    """

    inputs: Sequence[str] = ("fingerprint",)
    outputs: Sequence[str] = ("affinity",)
    draws: int = 0
    _state: ModelState | None = field(default=None, init=False, repr=False)

    def fit(self, dataset: Dataset, request: FitRequest) -> FitResult:
        """Fit to the rows of purpose "train".

        Raises:
            RunError: If there is nothing to fit.
        """
        known = dataset.only(Purpose.TRAIN)
        if not len(known):
            raise RunError("TanimotoProcess has no labels to be fitted to.")
        bits = np.asarray(known.inputs[self.inputs[0]], np.float64)
        y = np.asarray(known.outputs[self.outputs[0]], np.float64).ravel()
        kernel = tanimoto(bits, bits)
        values, vectors = np.linalg.eigh(kernel)
        rotated = vectors.T @ y, vectors.T @ np.ones(len(y))
        found = [(*evidence(np.maximum(values, 0), rotated, r), r) for r in NOISES]
        worth, mean, scale, ratio = max(found)
        factor = np.linalg.cholesky(kernel + ratio * np.eye(len(y)))
        alpha = np.linalg.solve(factor.T, np.linalg.solve(factor, y - mean))
        arrays = {"bits": bits, "factor": factor, "alpha": alpha}
        data = {"format": FORMAT, "mean": mean, "scale": scale, "seed": request.seed}
        metrics = {"evidence": worth / len(y), "noise": float(np.sqrt(scale * ratio))}
        return FitResult(ModelState(arrays, data), metrics)

    def load(self, state: ModelState, device: str = "cpu") -> None:
        """Use a state.

        Raises:
            RunError: If another kind of model wrote it.
        """
        if state.data.get("format") != FORMAT:
            raise RunError(f"wanted a state of {FORMAT}, but got {state.data.get('format')!r}.")
        self._state = state

    def predict(self, batch: Batch) -> Prediction:
        """Mean and standard deviation of the function, kcal/mol, and draws of it."""
        if self._state is None:
            raise RunError("TanimotoProcess has no weights yet: call load with a state first.")
        arrays, data = self._state.arrays, self._state.data
        bits = np.asarray(batch[self.inputs[0]], np.float64)
        cross = tanimoto(bits, np.asarray(arrays["bits"]))
        mean = data["mean"] + cross @ arrays["alpha"]
        half = np.linalg.solve(arrays["factor"], cross.T)
        std = np.sqrt(data["scale"] * np.maximum(1.0 - (half**2).sum(axis=0), 1e-10))
        members = self._drawn(bits, mean, half, data) if self.draws else None
        return Prediction(self._said(mean), self._said(std), members)

    def _drawn(self, bits: Matrix, mean: Matrix, half: Matrix, data: Any) -> tuple[Batch, ...]:
        joint = tanimoto(bits, bits) - half.T @ half
        values, vectors = np.linalg.eigh(joint)
        rng = np.random.default_rng(data["seed"])
        normal = rng.standard_normal((self.draws, len(bits)))
        rows = mean + np.sqrt(data["scale"]) * (normal * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return tuple(self._said(row) for row in rows)

    def _said(self, values: Matrix) -> Batch:
        return Batch.stack(**{self.outputs[0]: np.asarray(values)})
