"""A linear head on frozen features: multinomial logistic regression (Bishop 2006, section 4.3.4).

Seconds instead of hours, and often as good while labels are few. The features are the embeddings
of another model, which a scan has in its cache, so a new round runs no network again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from querist.core.errors import ConfigError, ShapeError

from ..heads import softmax
from .lbfgs import minimise
from .trained import (
    Trained,
    class_codes,
    class_weights,
    judged,
    read_state,
    set_aside,
    write_state,
)

Matrix = NDArray[np.float64]
Codes = NDArray[np.int64]
SCALES = ("each", "together")
GRID = tuple(float(10.0**power) for power in range(-2, 5))
MOST_TO_CHOOSE = 20_000
"""Rows that scale and penalty are chosen by, in 70 fits: so many at random tell what all would."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """How a head is trained.

    Attributes:
        l2: Strength of the penalty ``l2 / 2 |W|^2`` beside the summed loss, of scaled features;
            "auto" takes the best of seven by cross-validated log loss.
        scale: "each" divides each feature by its standard deviation, "together" all by one number,
            which keeps directions small that hardly vary (of a singular value decomposition, for
            example, where these are mostly noise); "auto" takes the better one by cross-validated
            log loss.
        class_weight: None, "balanced", or a weight for each class.
        calibrate: Whether a temperature (Guo et al. 2017) is fitted on the rows set aside.
        validation: Share of the rows set aside at random, to calibrate and to judge; the head is
            fitted to all rows in the end.
        members: Heads; more than one are a committee of bootstraps (Efron 1979).
        iterations: Of L-BFGS at most.
        seed: Of all draws.
        previous: File of an earlier head of the same classes and features, to start from.
    """

    l2: float | str = "auto"
    scale: str = "auto"
    class_weight: Any = None
    calibrate: bool = False
    validation: float = 0.2
    members: int = 1
    iterations: int = 500
    seed: int = 0
    previous: Path | str | None = None

    def __post_init__(self) -> None:
        if self.l2 != "auto" and (isinstance(self.l2, str) or self.l2 < 0.0):
            raise ConfigError(f"l2 is a number from 0, or 'auto', but got {self.l2!r}.")
        if self.scale not in ("auto", *SCALES):
            raise ConfigError(f"scale is auto, each or together, but got {self.scale!r}.")
        if not 0.0 <= self.validation < 1.0 or self.members < 1 or self.iterations < 1:
            raise ConfigError(
                "a linear head wants a validation share from 0 to below 1, at least 1 member and "
                f"1 iteration, but got {self}."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What one head is fitted to: scaled ``(n, d)`` features, codes, weights by row."""

    X: Matrix
    codes: Codes
    weights: NDArray[np.float64]
    count: int

    def part(self, rows: Codes) -> Problem:
        """Of some rows."""
        return Problem(self.X[rows], self.codes[rows], self.weights[rows], self.count)


def train_linear_head(
    embeddings: NDArray[Any],
    labels: Sequence[Any] | NDArray[Any],
    classes: Sequence[str],
    base: Mapping[str, Any],
    file: Path | str,
    how: LinearHead | None = None,
) -> Trained:
    """Fit a head and write it.

    Args:
        embeddings: ``(n, d)``, of the model ``base``.
        labels: ``(n,)`` names of classes, or their numbers.
        classes: Names, in the order of the probabilities.
        base: Settings of the model that gave the embeddings.
        file: Where the head is written, as safetensors.
        how: How it is trained.

    Raises:
        ShapeError: If shapes do not fit, labels are unknown, or embeddings are not finite.
        ConfigError: If the earlier head is another's.
    """
    how = how or LinearHead()
    H = np.asarray(embeddings, np.float64)
    codes = class_codes(labels, classes)
    if H.ndim != 2 or len(H) != len(codes) or not np.isfinite(H).all():
        raise ShapeError(
            f"a linear head wants finite embeddings (n, d) for {len(codes)} labels, but got the "
            f"shape {H.shape}{'' if np.isfinite(H).all() else ' with values not finite'}."
        )
    weights = class_weights(codes, len(classes), how.class_weight)[codes]
    how, mean, std = _scaled(Problem(H, codes, weights, len(classes)), how)
    X, basis = in_few_coordinates(_standardised(H, mean, std))
    del H
    problem = Problem(X, codes, weights, len(classes))
    start = _earlier(how.previous, mean, std, problem) if how.previous else None
    heads, metrics = _fitted(problem, how, start if start is None else _within(start, basis))
    heads = [np.vstack([basis @ head[:-1], head[-1:]]) for head in heads]
    # The scales become part of the weights, so that the head takes embeddings as they are.
    W = np.stack([head[:-1] / std[:, None] for head in heads])
    b = np.stack([head[-1] - mean @ (head[:-1] / std[:, None]) for head in heads])
    write_state(Path(file), {"weight": W.astype(np.float32), "bias": b.astype(np.float32)})
    settings = {
        "use": "head",
        "base": dict(base),
        "weights": str(file),
        "classes": [str(name) for name in classes],
    }
    return Trained(settings, {"train.rows": float(len(codes)), **metrics})


def _scaled(
    raw: Problem, how: LinearHead
) -> tuple[LinearHead, NDArray[np.float64], NDArray[np.float64]]:
    """How it is trained with scale and penalty chosen; ``(d,)`` means and divisors.

    Both are chosen on the rows that are not set aside, so that these judge what was never seen.
    """
    mean, std = raw.X.mean(axis=0), raw.X.std(axis=0)
    varies = std > 1e-12 * (1.0 + abs(mean))
    whole = float(np.sqrt((std[varies] ** 2).mean())) if varies.any() else 1.0
    divisors = {"each": np.where(varies, std, 1.0), "together": np.full(len(std), whole)}
    if how.scale != "auto":
        return how, mean, divisors[how.scale]
    learn, _ = set_aside(len(raw.codes), how.validation, np.random.default_rng([how.seed, 0]))
    learn = _some(learn, np.random.default_rng([how.seed, 4]))
    found = {}
    for scale, divisor in divisors.items():
        X, _ = in_few_coordinates((raw.X[learn] - mean) / divisor)
        part = Problem(X, raw.codes[learn], raw.weights[learn], raw.count)
        found[scale] = _chosen_l2(part, how, np.random.default_rng([how.seed, 3]))
    best = min(found, key=lambda scale: found[scale][1])
    l2 = found[best][0] if how.l2 == "auto" else how.l2
    return replace(how, scale=best, l2=l2), mean, divisors[best]


def _standardised(H: Matrix, mean: NDArray[np.float64], std: NDArray[np.float64]) -> Matrix:
    X: Matrix = H - mean
    X /= std  # in place: of many rows each copy is a gigabyte
    return X


def _some(rows: Codes, rng: np.random.Generator) -> Codes:
    if len(rows) <= MOST_TO_CHOOSE:
        return rows
    return np.sort(rng.choice(rows, MOST_TO_CHOOSE, replace=False))


def in_few_coordinates(X: Matrix) -> tuple[Matrix, Matrix]:
    """``(n, r)`` rows in at most n coordinates, and the ``(d, r)`` basis of these.

    The best penalised weights are a sum of rows (Kimeldorf & Wahba 1971), and the basis is
    orthonormal, so that the head found in it is the same, in a fraction of the time.
    """
    if len(X) >= X.shape[1]:
        return X, np.eye(X.shape[1])
    basis = np.linalg.svd(X, full_matrices=False)[2].T
    return X @ basis, basis


def _within(head: Matrix, basis: Matrix) -> Matrix:
    return np.vstack([basis.T @ head[:-1], head[-1:]])


def cross_validated(
    embeddings: NDArray[Any],
    labels: Sequence[Any] | NDArray[Any],
    classes: Sequence[str],
    how: LinearHead | None = None,
    folds: int = 5,
) -> Matrix:
    """``(n, C)`` probabilities of rows, each by a head that was fitted to the other folds.

    Args:
        embeddings: ``(n, d)``.
        labels: ``(n,)`` names of classes, or their numbers.
        classes: Names.
        how: How each head is trained.
        folds: How many parts.

    Raises:
        ShapeError: If there are fewer rows than two, or labels are unknown.
    """
    how, codes = how or LinearHead(), class_codes(labels, classes)
    H = np.asarray(embeddings, np.float64)
    if H.ndim != 2 or len(H) != len(codes) or len(codes) < 2:
        raise ShapeError(f"wanted at least two rows of embeddings (n, d), but got {H.shape}.")
    weights = class_weights(codes, len(classes), how.class_weight)[codes]
    how, mean, std = _scaled(Problem(H, codes, weights, len(classes)), how)
    X, _ = in_few_coordinates(_standardised(H, mean, std))
    del H
    problem = Problem(X, codes, weights, len(classes))
    rng = np.random.default_rng([how.seed, 2])
    fold = rng.permutation(len(codes)) % min(folds, len(codes))
    l2 = _chosen_l2(problem, how, rng)[0] if how.l2 == "auto" else float(how.l2)
    made = np.zeros((len(codes), len(classes)))
    for at in range(fold.max() + 1):
        learn, judge = np.flatnonzero(fold != at), np.flatnonzero(fold == at)
        head, _ = fit(problem.part(learn), l2, how.iterations)
        made[judge] = softmax(scores(head, problem.X[judge]))
    return made


def _fitted(
    problem: Problem, how: LinearHead, start: Matrix | None
) -> tuple[list[Matrix], dict[str, float]]:
    """``(d + 1, C)`` of each member, biases last, and metrics."""
    rng = np.random.default_rng([how.seed, 0])
    learn, judge = set_aside(len(problem.codes), how.validation, rng)
    l2 = _chosen_l2(problem.part(learn), how, rng)[0] if how.l2 == "auto" else float(how.l2)
    metrics, temperature = {"train.l2": l2}, 1.0
    if len(judge):
        held = problem.part(judge)
        trial, _ = fit(problem.part(learn), l2, how.iterations, start)
        temperature = _temperature(scores(trial, held.X), held) if how.calibrate else 1.0
        found = softmax(scores(trial, held.X) / temperature)
        metrics |= judged(found, held.codes, "validation")
        metrics |= {"train.temperature": temperature} if how.calibrate else {}
    whole, steps = fit(problem, l2, how.iterations, start)
    metrics |= {"train.iterations": float(steps)}
    metrics |= judged(softmax(scores(whole, problem.X)), problem.codes, "train")
    heads = [whole]
    if how.members > 1:
        heads = [_bootstrapped(problem, l2, how, member, whole) for member in range(how.members)]
    return [head / temperature for head in heads], metrics


def _bootstrapped(
    problem: Problem, l2: float, how: LinearHead, member: int, start: Matrix
) -> Matrix:
    """One member, fitted to rows drawn with replacement and one row of each class."""
    rng = np.random.default_rng([how.seed, 1, member])
    rows = rng.integers(0, len(problem.codes), len(problem.codes))
    first = np.unique(problem.codes, return_index=True)[1]
    missing = first[~np.isin(problem.codes[first], problem.codes[rows])]
    return fit(problem.part(np.concatenate([rows, missing])), l2, how.iterations, start)[0]


def scores(head: Matrix, X: Matrix) -> Matrix:
    """``(n, C)`` of ``(d + 1, C)``."""
    made: Matrix = X @ head[:-1] + head[-1]
    return made


def fit(
    problem: Problem, l2: float, iterations: int, start: Matrix | None = None
) -> tuple[Matrix, int]:
    """``(d + 1, C)`` weights of the least penalised loss, and the steps that it took.

    The loss is convex, so where it starts matters for time only.
    """
    n, d, count = *problem.X.shape, problem.count
    target = np.zeros((n, count))
    target[np.arange(n), problem.codes] = 1.0
    # Without a penalty the weights of separable classes would grow for ever.
    l2 = max(l2, 1e-6)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        head = flat.reshape(d + 1, count)
        z = scores(head, problem.X)
        z -= z.max(axis=1, keepdims=True)
        log_total = np.log(np.exp(z).sum(axis=1))
        value = float((problem.weights * (log_total - z[np.arange(n), problem.codes])).sum())
        error = problem.weights[:, None] * (np.exp(z - log_total[:, None]) - target)
        slope = np.vstack([problem.X.T @ error + l2 * head[:-1], error.sum(axis=0)])
        return (value + 0.5 * l2 * float((head[:-1] ** 2).sum())) / n, slope.reshape(-1) / n

    first = np.zeros((d + 1, count)) if start is None else start
    found, steps = minimise(loss, first.reshape(-1), iterations)
    return found.reshape(d + 1, count), steps


def _chosen_l2(problem: Problem, how: LinearHead, rng: np.random.Generator) -> tuple[float, float]:
    """The penalty of the least log loss over up to five folds, and that; the largest among equals.

    Those above the number of rows leave nothing but the frequencies of the classes. Few rows that
    were picked to differ seem to want them, because no fold tells of another.
    """
    if len(problem.codes) > MOST_TO_CHOOSE:
        problem = problem.part(_some(np.arange(len(problem.codes)), rng))
    folds = min(5, len(problem.codes) // 2)
    if folds < 2:
        return 1.0, 0.0
    fold = rng.permutation(len(problem.codes)) % folds
    most = max(1.0, float(len(problem.codes)))
    grid = GRID if how.l2 == "auto" else (float(how.l2),)
    tried = sorted((l2 for l2 in grid if l2 <= most), reverse=True) or list(grid)
    losses = dict.fromkeys(tried, 0.0)
    for at in range(folds):
        learn, judge = (problem.part(np.flatnonzero(mask)) for mask in (fold != at, fold == at))
        head: Matrix | None = None
        for l2 in losses:  # each starts from the one before
            head, _ = fit(learn, l2, how.iterations, head)
            own = softmax(scores(head, judge.X))[np.arange(len(judge.codes)), judge.codes]
            losses[l2] -= float((judge.weights * np.log(np.maximum(own, 1e-300))).sum())
    best = min(losses, key=lambda l2: losses[l2])
    return best, losses[best]


def _temperature(z: Matrix, held: Problem) -> float:
    """What scores are divided by so that the log loss of rows set aside is least."""

    def loss(log_temperature: float) -> float:
        p = softmax(z / np.exp(log_temperature))[np.arange(len(z)), held.codes]
        return float(-np.log(np.maximum(p, 1e-300)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def _earlier(
    previous: Path | str, mean: NDArray[np.float64], std: NDArray[np.float64], problem: Problem
) -> Matrix:
    """An earlier head in today's standardised features; of a committee its mean."""
    held = read_state(Path(previous))
    d, count = len(mean), problem.count
    if "weight" not in held or held["weight"].shape[1:] != (d, count):
        shape = held["weight"].shape if "weight" in held else "none"
        raise ConfigError(
            f"the earlier head {previous} should have weights (members, {d}, {count}), but it has "
            f"{shape}; leave 'previous' out when features or classes have changed."
        )
    W, b = (held[name].mean(axis=0).astype(np.float64) for name in ("weight", "bias"))
    return np.vstack([W * std[:, None], b + mean @ W])
