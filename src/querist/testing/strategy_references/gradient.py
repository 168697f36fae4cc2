"""Definitions of methods by gradients, which are written out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from querist.testing.strategy_data import LinearModel
from querist.testing.strategy_references import exact, ranked

Matrix = NDArray[np.float64]


@exact("expected-gradient-length")
def expected_gradient_length(budget: int, probabilities: Matrix, embeddings: Matrix) -> Any:
    """The gradient of every label as a matrix, its norm, and the mean over labels."""
    scores = []
    for odds, row in zip(probabilities, embeddings, strict=True):
        gradients = [np.outer(odds - one, row) for one in np.eye(len(odds))]
        scores.append(odds @ [np.linalg.norm(gradient) for gradient in gradients])
    return ranked(np.array(scores), budget)


@exact("emcm")
def emcm(budget: int, predictions: Matrix, member_predictions: Matrix, embeddings: Matrix) -> Any:
    """The gradient for every member's prediction as the answer."""
    scores = []
    for mean, members, row in zip(predictions, member_predictions, embeddings, strict=True):
        scores.append(np.mean([np.linalg.norm((mean - member) * row) for member in members]))
    return ranked(np.array(scores), budget)


@exact("deepfool")
def deepfool(budget: int, inputs: Matrix, model: LinearModel) -> Any:
    """The distance to the nearest of the planes where two classes are equal."""
    scores = []
    for row in inputs:
        logits = model.weights @ row + model.offsets
        best = int(logits.argmax())
        apart = [
            (logits[best] - logits[c]) / np.linalg.norm(model.weights[best] - model.weights[c])
            for c in range(len(logits))
            if c != best
        ]
        scores.append(-min(apart))
    return ranked(np.array(scores), budget)


@exact("adversarial-bim")
def adversarial_bim(budget: int, inputs: Matrix, model: LinearModel) -> Any:
    """Steps of the sign of the gradient, which is written out; back to where the lead is zero."""
    return ranked(np.array([-_steps(row, model) for row in inputs]), budget)


def _steps(start: Any, model: LinearModel) -> float:
    def logits_at(row: Any) -> Any:
        return model.weights @ row + model.offsets

    best, row = int(logits_at(start).argmax()), start
    while True:
        logits = logits_at(row)
        others = np.delete(logits, best)
        residual = softmax(logits) - np.eye(len(logits))[best]
        step = 0.05 * np.sign(model.weights.T @ residual)
        after = logits_at(row + step)
        left, lead = logits[best] - others.max(), after[best] - np.delete(after, best).max()
        if lead <= 0.0:
            return float(np.linalg.norm(row + step * left / (left - lead) - start))
        row = row + step
