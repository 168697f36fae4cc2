"""Definitions of modified strategies, each of one base."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.testing.strategy_references import exact, law, ranked, reference

Matrix = NDArray[np.float64]
Law = dict[tuple[int, ...], float]


def entropies(probabilities: Matrix) -> Matrix:
    """Of each row."""
    terms = [p * np.log(p, out=np.zeros_like(p), where=p > 0) for p in probabilities]
    return np.asarray(-np.sum(terms, axis=1))


def margins(probabilities: Matrix) -> Matrix:
    """Second highest less highest, of each row."""
    rows = [sorted([0.0, *row]) for row in probabilities]
    return np.array([row[-2] - row[-1] for row in rows])


def raised(scores: Matrix) -> Matrix:
    """From the pool's lowest, if that is negative."""
    return scores - min(0.0, float(scores.min()))


@exact("cost-aware(entropy)")
def cost_aware(budget: int, probabilities: Matrix, costs: Matrix) -> Any:
    """Entropy over cost."""
    return ranked(entropies(probabilities) / costs, budget)


@exact("cost-aware(margin)")
def cost_aware_margin(budget: int, probabilities: Matrix, costs: Matrix) -> Any:
    """Margins, which are negative, from the lowest on."""
    return ranked(raised(margins(probabilities)) / costs, budget)


@exact("cost-aware(k-center)")
def cost_aware_k_center(
    budget: int, embeddings: Matrix, costs: Matrix, labelled_embeddings: Matrix | None = None
) -> Any:
    """The best by distance over cost, of four times as many as wanted."""
    plain = reference("k-center")
    assert plain is not None
    wide = min(4 * budget, len(embeddings))
    indices, scores = plain.function(wide, embeddings, labelled_embeddings)
    places, values = ranked(np.array(scores) / costs[indices], budget)
    return np.array(indices)[places], values


@exact("learned-cost(entropy)")
def learned_cost(
    budget: int,
    probabilities: Matrix,
    embeddings: Matrix,
    labelled_embeddings: Matrix,
    labelled_costs: Matrix,
) -> Any:
    """Ridge regression with every penalty, left out one by one."""
    penalties = [10.0**power * len(labelled_costs) for power in range(-6, 4)]
    errors = []
    for penalty in penalties:
        away = []
        for out in range(len(labelled_costs)):
            rest = np.arange(len(labelled_costs)) != out
            told = _ridge(labelled_embeddings, labelled_costs, penalty, rest)
            away.append(told(labelled_embeddings[out]) - np.log(labelled_costs[out]))
        errors.append(np.mean(np.square(away)))
    everything = np.ones(len(labelled_costs), bool)
    best = penalties[int(np.argmin(errors))]
    told = _ridge(labelled_embeddings, labelled_costs, best, everything)
    costs = np.exp([told(row) for row in embeddings])
    return ranked(entropies(probabilities) / costs, budget)


def _ridge(features: Matrix, costs: Matrix, penalty: float, rest: NDArray[np.bool_]) -> Any:
    """Ridge regression on features standardised by all rows, with a free intercept."""
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    x, y = ((features - centre) / scale)[rest], np.log(costs)[rest]
    middle, level = x.mean(axis=0), y.mean()
    gram = (x - middle).T @ (x - middle) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (x - middle).T @ (y - level))
    return lambda row: level + ((row - centre) / scale - middle) @ weights


@law("sub-sampled(entropy, size=4)")
def sub_sampled(budget: int, probabilities: Matrix) -> Law:
    """Every set of four is equally likely."""
    found: Law = {}
    sets = list(combinations(range(len(probabilities)), min(4, len(probabilities))))
    for some in sets:
        order = ranked(entropies(probabilities[list(some)]), budget)[0]
        picks = tuple(some[place] for place in order)
        found[picks] = found.get(picks, 0.0) + 1.0 / len(sets)
    return found


@exact("class-balanced(entropy)")
def class_balanced(budget: int, probabilities: Matrix, labelled_classes: Any | None = None) -> Any:
    """Pick by pick: the class of which there is least, and in it the highest entropy."""
    classes, scores = probabilities.argmax(axis=1), entropies(probabilities)
    known = [] if labelled_classes is None else labelled_classes.astype(int).tolist()
    picks: list[int] = []
    for _ in range(budget):
        free = [row for row in range(len(classes)) if row not in picks]
        there = sorted({int(classes[row]) for row in free})
        rarest = min(there, key=known.count)
        picks.append(max((r for r in free if classes[r] == rarest), key=lambda r: scores[r]))
        known.append(rarest)
    return picks, scores[picks]


@exact("density-weighted(margin)")
def density_weighted(budget: int, probabilities: Matrix, embeddings: Matrix) -> Any:
    """All cosines in a matrix."""
    units = embeddings / np.linalg.norm(embeddings, axis=1)[:, None]
    densities = np.maximum((units @ units.T).mean(axis=1), 0.0)
    return ranked(raised(margins(probabilities)) * densities, budget)


def _cold(until: int) -> Any:
    def define(
        budget: int,
        embeddings: Matrix,
        probabilities: Matrix | None = None,
        labelled_embeddings: Matrix | None = None,
        labels: Matrix | None = None,
    ) -> Any:
        known = max(0 if x is None else len(x) for x in (labelled_embeddings, labels))
        start = reference("k-center")
        assert start is not None
        if known < until:
            return start.function(budget, embeddings, labelled_embeddings)
        return ranked(entropies(probabilities), budget)  # type: ignore[arg-type]

    return define


exact("cold-start(entropy, k-center, until=5)")(_cold(5))
exact("cold-start(entropy, k-center)")(_cold(20))


def _drawn(weigh: Any) -> Any:
    """The law of drawing without replacement in proportion to weights."""

    def define(budget: int, probabilities: Matrix) -> Law:
        weights = weigh(probabilities)
        found: Law = {(): 1.0}
        for _ in range(budget):
            longer: Law = {}
            for picks, chance in found.items():
                free = [row for row in range(len(weights)) if row not in picks]
                total = weights[free].sum()
                for row in free:
                    share = weights[row] / total if total > 0 else 1.0 / len(free)
                    if share > 0:
                        longer[(*picks, row)] = chance * share
            found = longer
        return found

    return define


law("temperature(entropy)")(_drawn(entropies))
law("temperature(margin, beta=2)")(_drawn(lambda p: raised(margins(p)) ** 2))
law("temperature(margin, kind=softmax, beta=3)")(_drawn(lambda p: np.exp(3 * margins(p))))
law("temperature(entropy, kind=softrank)")(
    _drawn(lambda p: 1.0 / (1 + np.argsort(np.argsort(-entropies(p)))))
)
