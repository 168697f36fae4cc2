"""Definitions of committees' disagreement, an item at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy

from querist.testing.strategy_references import exact, ranked

Matrix = NDArray[np.float64]


def by_item(score: Callable[[Matrix], float]) -> Callable[..., Any]:
    """A definition from a score of one item's ``(T, C)`` probabilities."""

    def define(budget: int, member_probabilities: Any) -> Any:
        return ranked(np.array([score(item) for item in member_probabilities]), budget)

    return define


def _votes(item: Matrix) -> NDArray[np.float64]:
    ballots = [int(np.argmax(member)) for member in item]
    return np.array([ballots.count(c) / len(ballots) for c in range(item.shape[1])])


exact("vote-entropy")(by_item(lambda item: float(entropy(_votes(item)))))
exact("variation-ratios")(by_item(lambda item: 1.0 - float(_votes(item).max())))
exact("mean-std")(by_item(lambda item: float(item.std(axis=0).mean())))
exact("consensus-kl")(
    by_item(lambda item: float(np.mean([entropy(one, item.mean(axis=0)) for one in item])))
)
exact("bald")(
    by_item(
        lambda item: float(entropy(item.mean(axis=0)) - np.mean([entropy(one) for one in item]))
    )
)


@exact("batchbald", largest=6)
def batchbald(budget: int, member_probabilities: Matrix) -> Any:
    """Greedy on the joint mutual information, with every configuration of the batch's labels."""
    joint = np.ones((1, member_probabilities.shape[1]))  # configurations x members
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        gains = np.array([_gain(joint, item) for item in member_probabilities])
        gains[picks] = -np.inf
        best = int(gains.argmax())
        picks.append(best)
        scores.append(float(gains[best]))
        item = member_probabilities[best]
        joint = (joint[:, None, :] * item.T[None]).reshape(-1, len(item))
    return picks, scores


def _gain(joint: Matrix, item: Matrix) -> float:
    """Entropy added to that of the configurations, less what noise adds."""
    with_item = (joint[:, None, :] * item.T[None]).mean(axis=2)
    added = entropy(with_item.ravel()) - entropy(joint.mean(axis=1))
    return float(added - np.mean([entropy(one) for one in item]))


@exact("epig")
def epig(budget: int, member_probabilities: Matrix, target_member_probabilities: Matrix) -> Any:
    """Mutual information of the two labels as a divergence, averaged over targets."""
    scores = []
    for item in member_probabilities:
        informations = []
        for target in target_member_probabilities:
            pairs = zip(item, target, strict=True)
            joint = np.mean([np.outer(one, other) for one, other in pairs], axis=0)
            apart = np.outer(item.mean(axis=0), target.mean(axis=0))
            informations.append(entropy(joint.ravel(), apart.ravel()))
        scores.append(np.mean(informations))
    return ranked(np.array(scores), budget)
