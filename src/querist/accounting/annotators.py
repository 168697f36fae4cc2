"""Annotators who err: who says what of which class, and what is true, by expectation maximisation.

A. P. Dawid, A. M. Skene: Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm, Applied Statistics 28 (1979) 20-28. Equation numbers are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from querist.core.errors import ConfigError, ShapeError

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
_TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Annotators:
    """What the answers of several annotators say of the items and of themselves.

    Attributes:
        posterior: ``(n, C)`` probability of each class, for each item.
        prevalence: ``(C,)`` share of each class.
        confusion: ``(A, C, C)``: of items that are of class ``[a, c]``, the share that annotator a
            calls ``l``; each row adds up to 1.
        answers: ``(A,)`` how many answers each annotator gave.
        log_likelihood: Of the answers, natural logarithm, without the pseudo-counts.
        iterations: Of the algorithm.
        converged: Whether it stopped by itself.
    """

    posterior: Floats
    prevalence: Floats
    confusion: Floats
    answers: Whole
    log_likelihood: float
    iterations: int
    converged: bool

    @property
    def labels(self) -> Whole:
        """``(n,)`` the likeliest class of each item."""
        found: Whole = self.posterior.argmax(axis=1)
        return found

    @property
    def accuracy(self) -> Floats:
        """``(A,)`` probability that an annotator's answer of an item at random is right."""
        right = np.diagonal(self.confusion, axis1=1, axis2=2)
        found: Floats = right @ self.prevalence
        return found

    @property
    def anyone(self) -> Floats:
        """``(C, C)`` confusion of whoever answers next: each by how much he has answered so far."""
        total = max(1, int(self.answers.sum()))
        found: Floats = np.tensordot(self.answers / total, self.confusion, axes=1)
        return found


def dawid_skene(
    items: ArrayLike,
    annotators: ArrayLike,
    labels: ArrayLike,
    *,
    classes: int,
    prior: Floats | None = None,
    settings: Settings | None = None,
) -> Annotators:
    """Fit what is true and how each annotator errs, from ``m`` answers.

    The answers of an item are taken as independent of each other given its class. An annotator of
    few answers is kept from 0 and 1 by pseudo-counts, so that one unlucky answer is no verdict.

    Args:
        items: ``(m,)`` whole numbers from 0: of which item each answer is.
        annotators: ``(m,)`` whole numbers from 0: whose it is.
        labels: ``(m,)`` whole numbers from 0 to ``classes - 1``: what it says.
        classes: ``C``.
        prior: ``(n, C)`` what was believed of each item before anybody answered, such as a model's
            probabilities; None: the share of each class, which is fitted too.
        settings: Pseudo-counts and when to stop.

    Returns:
        ``n`` is the highest number in ``items`` and one, or the rows of ``prior``; ``A`` likewise.

    Raises:
        ShapeError: If the arrays do not belong together.
        ConfigError: If a number lies outside of its range.
    """
    chosen = settings or Settings()
    item, who, said = _checked(items, annotators, labels, classes)
    n = int(item.max(initial=-1)) + 1 if prior is None else len(prior)
    if prior is not None and (prior.shape[1:] != (classes,) or n <= item.max(initial=-1)):
        need = int(item.max(initial=-1)) + 1
        raise ShapeError(f"The prior should be ({need} or more, {classes}), got {prior.shape}.")
    many = int(who.max(initial=-1)) + 1
    # Row: an annotator saying a label; column: an item. Both steps are products with this.
    shape = (many * classes, n)
    votes = csr_array((np.ones(len(item)), (who * classes + said, item)), shape=shape)
    state = _begin(votes, classes, prior)
    last, converged, steps = -np.inf, False, 0
    while steps < chosen.iterations and not converged:
        steps += 1
        confusion, prevalence = _maximised(votes, state, chosen, prior)
        state, evidence = _expected(votes, confusion, prevalence, prior)
        objective = evidence + chosen.penalty(confusion, prevalence if prior is None else None)
        converged = abs(objective - last) <= chosen.tolerance * max(1.0, abs(objective))
        last = objective
    confusion, prevalence = _maximised(votes, state, chosen, prior)
    state, evidence = _expected(votes, confusion, prevalence, prior)
    answers = np.bincount(who, minlength=many)
    return Annotators(state, prevalence, confusion, answers, evidence, steps, converged)


@dataclass(frozen=True, slots=True)
class Settings:
    """How annotators are fitted.

    Attributes:
        right: Pseudo-answers of each annotator for each class that are right.
        wrong: Pseudo-answers that are wrong, for each other class.
        iterations: At most so many.
        tolerance: Stop when the objective grows by less than this share of itself.
    """

    right: float = 1.0
    wrong: float = 0.2
    iterations: int = 500
    tolerance: float = 1e-9

    def __post_init__(self) -> None:
        if min(self.right, self.wrong) < 0 or self.iterations < 1 or self.tolerance < 0:
            raise ConfigError("Pseudo-counts and tolerance are 0 or more, iterations 1 or more.")

    def counts(self, classes: int) -> Floats:
        """``(C, C)`` of pseudo-answers."""
        return np.full((classes, classes), self.wrong) + (self.right - self.wrong) * np.eye(classes)

    def penalty(self, confusion: Floats, prevalence: Floats | None) -> float:
        """Logarithm of the prior densities, up to a constant: what makes the steps ascend."""
        found = float((self.counts(confusion.shape[-1]) * np.log(confusion + _TINY)).sum())
        return found if prevalence is None else found + float(np.log(prevalence + _TINY).sum())


def _checked(items: Any, annotators: Any, labels: Any, classes: int) -> tuple[Whole, Whole, Whole]:
    arrays = [np.asarray(one) for one in (items, annotators, labels)]
    if len({one.shape for one in arrays}) != 1 or arrays[0].ndim != 1:
        shapes = ", ".join(str(one.shape) for one in arrays)
        raise ShapeError(f"Items, annotators and labels should each be (m,), got {shapes}.")
    if not all(one.dtype.kind in "iu" or not one.size for one in arrays) or classes < 2:
        raise ConfigError("Items, annotators and labels are whole numbers, of 2 classes or more.")
    found = [one.astype(np.int64) for one in arrays]
    lowest = min(int(one.min(initial=0)) for one in found)
    highest = int(found[2].max(initial=0))
    if lowest < 0 or highest >= classes:
        raise ConfigError(
            f"Numbers start at 0 and labels end at {classes - 1}, got {lowest} and {highest}."
        )
    return found[0], found[1], found[2]


def _begin(votes: Any, classes: int, prior: Floats | None) -> Floats:
    """Shares of the votes, as Dawid and Skene begin (their section 3); a vote of the prior too."""
    n = votes.shape[1]
    one = np.full((n, classes), 1.0 / classes) if prior is None else prior / _sums(prior)
    cast = np.asarray(votes.sum(axis=0)).reshape(-1, 1)
    said = np.zeros((n, classes))
    for label in range(classes):
        said[:, label] = np.asarray(votes[label::classes].sum(axis=0)).ravel()
    # Where somebody answered, an even prior shall not blur it.
    weight = np.where(cast > 0, 1.0 if prior is not None else 0.0, 1.0)
    found: Floats = (said + weight * one) / (cast + weight)
    return found


def _maximised(
    votes: Any, state: Floats, settings: Settings, prior: Floats | None
) -> tuple[Floats, Floats]:
    """The M-step: equations 2.3 and 2.4 with pseudo-counts."""
    classes = state.shape[1]
    counts = np.asarray(votes @ state).reshape(-1, classes, classes).transpose(0, 2, 1)
    counts = counts + settings.counts(classes)
    confusion = counts / np.maximum(counts.sum(axis=2, keepdims=True), _TINY)
    total = state.sum(axis=0) + (1.0 if prior is None else 0.0)
    return confusion, total / max(float(total.sum()), _TINY)


def _expected(
    votes: Any, confusion: Floats, prevalence: Floats, prior: Floats | None
) -> tuple[Floats, float]:
    """The E-step, equation 2.5, and the logarithm of equation 2.7."""
    classes = len(prevalence)
    before = prevalence if prior is None else prior / _sums(prior)
    told = np.log(confusion + _TINY).transpose(0, 2, 1).reshape(-1, classes)
    logs = np.log(before + _TINY) + np.asarray(votes.T @ told)
    highest = logs.max(axis=1, keepdims=True)
    parts = np.exp(logs - highest)
    total = parts.sum(axis=1, keepdims=True)
    return parts / total, float((highest + np.log(total)).sum())


def _sums(rows: Floats) -> Floats:
    found: Floats = np.maximum(rows.sum(axis=1, keepdims=True), _TINY)
    return found
