"""Definitions of methods by gradients, which are written out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
