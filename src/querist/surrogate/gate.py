"""When a model may answer: thresholds with a finite-sample guarantee, and an alarm for drift.

**What is promised.** Calls arrive as an exchangeable (independent, identically distributed)
sequence. A coin that knows nothing of the input makes some calls audits: they are simulated and
never trained on. Given all that happened before a model was fitted, the audits after it are
therefore a sample of future calls (optional skipping), whatever was trained on and whatever
earlier gates did. For a threshold t let r(t) = P(error > tolerance | score <= t). Then with a
probability of at least ``confidence`` over the audits, *no* threshold that is ever set for this
model has r(t) > 1 - ``coverage``.

**Why.** The thresholds are hypotheses "r(t) > 1 - coverage". Each is tested by the exact binomial
tail: given how many audits have a score within t, the number of them that are wrong is binomial
with the share r(t). They are tested in a fixed order, from a start that only earlier data chose,
until the first one that cannot be rejected: Learn then Test (Angelopoulos, Bates, Candes, Jordan &
Lei 2021, arXiv 2110.01052, theorem 1), with fixed sequence testing from two starts that share the
error probability. Distribution-free control of this kind goes back to Bates et al. 2021 (J. ACM
68, 43) and Vovk, Gammerman & Shafer 2005. Audits grow, so that there are several looks, each due
when a number of audits that depends on scores alone is reached; look j spends 6 / (pi j)^2 of the
error probability, which sums to one. A look is due by the count within the first threshold. For
that one the binomial law is exact; for larger ones that count is fixed and theirs is not (inverse
sampling), whose exact level ``tests/surrogate/test_gate.py`` computes: not above the one spent.

The probability is for each model. With several on trial the newest that trusts about as much as the
best is used, so that the gate in force is none drawn at random; what that costs is measured, not
proven (``benchmarks/surrogate.py``).

Under drift, or where calls are correlated (a single molecular-dynamics run), nothing is
guaranteed: coverage is what audits measure, and :class:`Alarm` says when they speak against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]

GRID = tuple(float(2.0 ** (k / 2)) for k in range(-40, 41))  # thresholds, in units of tolerance
MAIN, SAFE = 0.8, 0.2  # shares of the error probability of the two starts
SAFER = 4  # steps of the grid from the first start down to the second
GROWTH = 1.5  # of the audits, from one look to the next
FIRST_GUESS = 0.5  # of the tolerance, where no earlier audit says where to begin
REACHED = 0.1  # of the earlier audits, within a threshold that can be tested in a while


@dataclass(frozen=True, slots=True)
class Promise:
    """What a gate has to keep.

    Attributes:
        coverage: Least P(error <= tolerance | answered by the model).
        confidence: Least probability, over the audits, that a gate keeps it.
    """

    coverage: float = 0.95
    confidence: float = 0.9

    def __post_init__(self) -> None:
        for name in ("coverage", "confidence"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ConfigError(f"{name} should lie between 0 and 1, but is {value!r}.")

    @property
    def allowed(self) -> float:
        """Largest share of errors beyond the tolerance."""
        return 1.0 - self.coverage

    def spent(self, look: int) -> float:
        """Error probability of look ``look``, counted from 1."""
        return (1.0 - self.confidence) * 6.0 / (math.pi * look) ** 2

    def needed(self, look: int) -> int:
        """Audits within a threshold without which look ``look`` cannot set it."""
        wanted = math.log(MAIN * self.spent(look)) / math.log(self.coverage)
        return math.ceil(wanted - 1e-9)

    def due(self, look: int, step: int) -> int:
        """Audits within the first threshold at which look ``look``, the ``step``-th, is due."""
        return max(self.needed(look), math.ceil(self.needed(1) * GROWTH ** (step - 1)))


def tail(wrong: int, trials: int, share: float) -> float:
    """P(Binomial(trials, share) <= wrong): small when so few errors speak for a smaller share."""
    from scipy.special import bdtr

    return float(bdtr(wrong, trials, share)) if trials else 1.0


def first_threshold(scores: Vector, wrong: Flags, allowed: float) -> int:
    """Index in the grid of the threshold to test first, by audits from *before* the model.

    The largest one within which at most half the allowed share was wrong; these audits are used up
    by that and prove nothing.
    """
    seen = [i for i, t in enumerate(GRID) if (scores <= t).any()]
    if not seen:
        return GRID.index(FIRST_GUESS)
    # Where none is good, one that audits reach: below all scores there would never be any to test.
    reached = next((i for i in seen if (scores <= GRID[i]).mean() >= REACHED), seen[-1])
    good = [i for i in seen if wrong[scores <= GRID[i]].mean() <= 0.5 * allowed]
    # Beyond the largest score seen, thresholds differ in nothing that is known.
    last = next((i for i, t in enumerate(GRID) if t >= scores.max()), len(GRID) - 1)
    return min(max(good, default=reached), last)


def safe(scores: Vector, wrong: Flags, order: range, promise: Promise, look: int) -> set[int]:
    """Indices in the grid of the thresholds that the audits prove safe.

    Args:
        scores: ``(n,)`` of audits after the model was fitted.
        wrong: ``(n,)`` whether the error was beyond the tolerance.
        order: Of the tests: the indices from what :func:`first_threshold` gave upwards.
        promise: To be kept.
        look: Number of this look.
    """
    found = set()
    for begin, share in ((order.start, MAIN), (max(0, order.start - SAFER), SAFE)):
        level = share * promise.spent(look)
        for index in range(begin, order.stop):
            inside = scores <= GRID[index]
            if tail(int(wrong[inside].sum()), int(inside.sum()), promise.allowed) > level:
                break
            found.add(index)
            if inside.all():  # larger ones would trust what no audit has looked like
                break
    return found


@dataclass(slots=True)
class Trial:
    """The audits of one model, and the threshold that they allow.

    A threshold that one look has proven safe stays so at later ones, whose error probabilities add
    up to what is allowed. All the same it is not used while more of its audits are wrong than
    promised: that costs trust, never the guarantee.

    Attributes:
        promise: To be kept.
        order: Indices in the grid, from the threshold that is tested first.
        scores, wrong: Of audits after the model was fitted.
        inside: How many of them were within the threshold that is tested first.
        look: The next look, of all.
        step: The next look since audits were last forgotten.
        proven: Indices in the grid of thresholds that were proven safe.
        threshold: The largest of them that is used; None for none.
    """

    promise: Promise
    order: range
    scores: list[float] = field(default_factory=list)
    wrong: list[bool] = field(default_factory=list)
    inside: int = 0
    look: int = 1
    step: int = 1
    proven: set[int] = field(default_factory=set)
    threshold: float | None = None

    def add(self, score: float, wrong: bool) -> None:
        """One more audit, upon which the threshold may change."""
        self.scores.append(score)
        self.wrong.append(wrong)
        self.inside += score <= GRID[self.order.start]
        looks = self.inside >= self.promise.due(self.look, self.step)
        if looks:
            self._look()
        if looks or wrong:
            self.threshold = self._used()

    def take_over(self, threshold: float | None) -> None:
        """Use a threshold that audits of this model have proven elsewhere."""
        if threshold is not None:
            # The nearest: a refusal is told as 1 - threshold, which loses a bit on the way.
            index = int(np.abs(np.array(GRID) - threshold).argmin())
            self.proven.add(index)
            self.threshold = GRID[index]

    def _look(self) -> None:
        held = np.array(self.scores), np.array(self.wrong)
        self.proven |= safe(*held, self.order, self.promise, self.look)
        self.look, self.step = self.look + 1, self.step + 1

    def _used(self) -> float | None:
        scores, wrong = np.array(self.scores), np.array(self.wrong)
        for index in sorted(self.proven, reverse=True):
            within = scores <= GRID[index]
            if not within.any() or wrong[within].mean() <= self.promise.allowed:
                return GRID[index]
        return None

    @property
    def watched(self) -> float | None:
        """The largest threshold that was proven, used or not; audits within it tell of drift."""
        return GRID[max(self.proven)] if self.proven else None

    def trusted_share(self) -> float:
        """Share of the audits within the threshold that is set."""
        if self.threshold is None or not self.scores:
            return 0.0
        return float((np.array(self.scores) <= self.threshold).mean())

    def forget(self) -> None:
        """Drop the audits: what they were a sample of is no more; looks spent stay spent."""
        self.scores, self.wrong, self.threshold = [], [], None
        self.proven, self.inside, self.step = set(), 0, 1


@dataclass(slots=True)
class Alarm:
    """Notices that more audits are wrong than promised.

    A CUSUM e-detector: for each alternative p the likelihood ratio of the outcomes against the
    allowed share, restarted whenever it falls below one; the mean over alternatives is compared
    with ``patience``. While the share is at most the allowed one, an alarm comes on average not
    before ``patience`` audits (Shin, Ramdas & Rinaldo, E-detectors, 2022, arXiv 2203.03532).

    Attributes:
        allowed: Share that may be wrong.
        patience: Average number of audits between false alarms, at least.
    """

    allowed: float
    patience: float = 1000.0
    evidence: Vector = field(init=False)
    begun: NDArray[np.int64] = field(init=False)
    seen: int = field(default=0, init=False)
    alternatives: Vector = field(init=False)

    def __post_init__(self) -> None:
        upper = min(0.99, max(0.6, 2 * self.allowed))
        self.alternatives = np.geomspace(min(2 * self.allowed, upper), upper, 4)
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.evidence, self.seen = np.ones(4), 0
        self.begun = np.zeros(4, np.int64)

    def add(self, wrong: bool) -> bool:
        """One more audit; whether there is an alarm."""
        p, a = self.alternatives, self.allowed
        restarted = self.evidence <= 1.0
        self.begun[restarted] = self.seen
        self.evidence[restarted] = 1.0
        self.evidence *= p / a if wrong else (1.0 - p) / (1.0 - a)
        self.seen += 1
        return bool(self.evidence.mean() >= self.patience)

    @property
    def since(self) -> int:
        """Audits since what it raises the alarm for seems to have begun."""
        return self.seen - int(self.begun[int(self.evidence.argmax())])
