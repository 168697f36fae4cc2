"""Two mechanisms of a reaction on a catalyst, and the experiments that tell which one is right.

A + B react on a surface. Either both are adsorbed first (Langmuir & Hinshelwood), or A is and B
comes from the gas (Eley & Rideal). Rates depend on the pressures of A and B; each mechanism has
constants that nobody knows. An experiment sets both pressures and measures the rate, with noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from querist.tuning.design import believed, discriminating

Floats = NDArray[np.float64]

PRESSURES = np.geomspace(0.1, 3.0, 12)  # bar, that may be set
NOISE = 0.06  # of a rate; the largest rates are about 1
NAMES = ("Langmuir-Hinshelwood", "Eley-Rideal")
RANGES = (
    ((1.0, 10.0), (0.1, 3.0), (0.1, 3.0)),  # k, K_A and K_B (1/bar)
    ((0.1, 1.0), (0.1, 3.0)),  # k (1/bar), K_A (1/bar)
)
SURE = 0.99
LEVELS = (0, 6, 11)  # of the factorial design: low, middle, high
DRAWS = 2**14
LIMIT = 54  # experiments: six times the factorial design
DESIGNS = ("discriminating", "factorial", "factorial, in random order", "random")


def candidates() -> Floats:
    """``(144, 2)`` pressures of A and B, in bar."""
    a, b = np.meshgrid(PRESSURES, PRESSURES, indexing="ij")
    return np.stack([a.ravel(), b.ravel()], axis=1)


def rates(mechanism: int, pressures: Floats, constants: Floats) -> Floats:
    """``(n, m)`` rates for ``(n, 2)`` pressures, by ``(m, 3)`` or ``(m, 2)`` constants."""
    a, b = pressures[:, :1], pressures[:, 1:]
    k, ka, *others = constants.T
    if mechanism == 1:
        return np.asarray(k * ka * a * b / (1 + ka * a))
    kb = others[0]
    return np.asarray(k * ka * a * kb * b / (1 + ka * a + kb * b) ** 2)


def drawn(mechanism: int, count: int, seed: int) -> Floats:
    """``(count, 3 or 2)`` constants as believed before any experiment: even logarithms."""
    low, high = np.array(RANGES[mechanism]).T
    even = qmc.Sobol(len(low), seed=seed).random(count)
    return np.asarray(low * (high / low) ** even)


@dataclass(eq=False)
class Judge:
    """What is believed of both mechanisms: weighted draws of their constants.

    Attributes:
        predictions: ``(2, n, m)`` rates of every candidate by every draw.
        log: ``(2, m)`` logarithms of the weights, of which each row adds up to 1.
        evidence: ``(2,)`` log marginal likelihoods of all results.
    """

    predictions: Floats
    log: Floats = field(init=False)
    evidence: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Before any result."""
        draws = self.predictions.shape[2]
        self.log = np.full((2, draws), -np.log(draws))
        self.evidence = np.zeros(2)

    @classmethod
    def new(cls, seed: int = 0) -> Judge:
        """With even draws."""
        where = candidates()
        return cls(np.stack([rates(k, where, drawn(k, DRAWS, seed + k)) for k in (0, 1)]))

    @property
    def probabilities(self) -> Floats:
        """``(2,)`` of the mechanisms."""
        return believed(self.evidence, np.full(2, 0.5))

    @property
    def effective(self) -> float:
        """Draws that still count, of the mechanism where fewest do."""
        return float((1 / np.exp(2 * self.log).sum(axis=1)).min())

    def tell(self, row: int, value: float) -> None:
        """One result."""
        log = self.log - 0.5 * ((value - self.predictions[:, row]) / NOISE) ** 2
        top = log.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(log - top).sum(axis=1))
        self.evidence = self.evidence + total
        self.log = log - total[:, None]

    def information(self) -> Floats:
        """``(n,)`` expected information of every candidate about which mechanism is right."""
        weights = np.exp(self.log)
        means = np.einsum("kij,kj->ki", self.predictions, weights)
        square = np.einsum("kij,kj->ki", self.predictions**2, weights)
        variances = np.maximum(square - means**2, 0.0)
        return discriminating(means.T, variances.T, NOISE**2, self.probabilities)


def factorial() -> list[int]:
    """Rows of all combinations of the levels."""
    return [len(PRESSURES) * a + b for a in LEVELS for b in LEVELS]


def plan(design: str, judge: Judge, rng: np.random.Generator) -> Iterator[int]:
    """Rows of the experiments, one after the other; what was told to the judge may count."""
    while True:
        if design == "discriminating":
            yield int(np.argmax(judge.information()))
        elif design == "random":
            yield int(rng.integers(len(PRESSURES) ** 2))
        else:
            rows = factorial()
            yield from rows if design == "factorial" else rng.permutation(rows).tolist()


@dataclass(frozen=True, slots=True)
class Told:
    """How one series of experiments ended.

    Attributes:
        experiments: Until one mechanism was sure, or the limit.
        right: Whether the true one was sure then.
        sure: Whether any was.
        effective: Draws that still counted at the end.
        rows: What was done.
        probability: Of the true mechanism after each experiment.
    """

    experiments: int
    right: bool
    sure: bool
    effective: float
    rows: tuple[int, ...]
    probability: tuple[float, ...]


def series(start: Judge, truth: int, design: str, seed: int, limit: int = LIMIT) -> Told:
    """Experiments by one design until a mechanism is sure, of a true one with constants of its own.

    ``start`` is what is believed before. Designs see the same truths and noise. A
    factorial design is made as a whole, again and again, and looked at after each time.
    """
    rng = np.random.default_rng([seed, truth])
    constants = drawn(truth, 64, 1000 + seed)[rng.integers(64)]
    true = rates(truth, candidates(), constants[None])[:, 0]
    noise = np.random.default_rng([seed, truth, 7])
    judge, rows, course = Judge(start.predictions), list[int](), list[float]()
    whole = len(factorial()) if design == "factorial" else 1
    for row in plan(design, judge, rng):
        judge.tell(row, float(true[row] + NOISE * noise.standard_normal()))
        rows.append(row)
        course.append(float(judge.probabilities[truth]))
        looked = len(rows) % whole == 0
        if len(rows) >= limit or (looked and judge.probabilities.max() > SURE):
            break
    sure = bool(judge.probabilities.max() > SURE)
    right = bool(judge.probabilities[truth] > SURE)
    return Told(len(rows), right, sure, judge.effective, tuple(rows), tuple(course))
