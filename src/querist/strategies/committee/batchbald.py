"""BatchBALD: what the answers to a whole batch tell of the model's parameters."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.strategies.arrays import columns, float64, host, namespace
from querist.strategies.contract import Picks, batchwise
from querist.strategies.probability import consensus, entropy_of
from querist.strategies.ranking import tie_keys, tie_seed
from querist.strategies.rows import Rows

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
# Candidates looked at together, and numbers of their predictions held at once.
TOGETHER = 16
HELD = 1 << 18
# Standard errors by which a sampled gain may lie above an older one.
ERRORS = 5.0
# Of gains in float32, in nats; what configurations may be left out add; the log of nothing.
ROUNDING = 2e-6
NEGLIGIBLE = 1e-9
TINY = 1e-37


@batchwise(
    paper="Kirsch, van Amersfoort & Gal 2019 (arXiv 1906.08158), section 3 and algorithm 1; lazy "
    "greedy: Minoux 1978",
    cost="O(n T C) time, then O(samples T C) for each of the few candidates looked at by pick; "
    "O(n + samples T) memory",
    use="Small batches (up to about 10) from a committee or dropout; bald repeats itself there.",
)
def batchbald(
    member_probabilities: Rows,
    *,
    budget: int,
    rng: np.random.Generator | None = None,
    samples: int = 10_000,
) -> Picks:
    """Greedily the largest gain in mutual information between the batch's labels and the members.

    Exact while the batch before has no more than ``samples`` configurations of labels; from then
    on expectations over so many configurations drawn from the members, in equal numbers, with
    ``rng`` (without it, a fixed seed). The gain of an item only falls as the batch grows, so items
    whose old gain is below the best new one are not looked at. A score is the gain in nats.
    """
    seed = tie_seed(rng)
    batch = _Batch(samples, rng or np.random.default_rng(0))
    gains = _bald(member_probabilities)
    waiting = [(-gain, row) for row, gain in enumerate(gains.tolist())]
    heapq.heapify(waiting)
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(budget):
        gain, row = _best(waiting, batch, member_probabilities, seed)
        picks.append(row)
        scores.append(gain)
        batch.add(_members(member_probabilities, [row])[0])
    return np.array(picks), np.array(scores)


def _bald(rows: Rows) -> Vector:
    """Gain of each item as the first."""
    gains = [np.zeros(0)]
    for _, block in rows.blocks():
        members = columns(block)
        expected = namespace(members).mean(entropy_of(members), axis=1)
        gains.append(host(entropy_of(consensus(members)) - expected))
    return np.concatenate(gains)


def _members(rows: Rows, indices: list[int]) -> Matrix:
    """``(k, T, C)`` of some items, on the host."""
    return np.asarray(host(float64(rows.take(indices))))


def _best(
    waiting: list[tuple[float, int]], batch: _Batch, rows: Rows, seed: int | None
) -> tuple[float, int]:
    """Take the item of the largest gain, equals by their keys, out of those that wait.

    ``waiting`` is a heap of negative gains, old ones being upper bounds. New gains are computed
    in float32 first, and again where that could decide.
    """
    fresh: dict[int, float] = {}
    best, slack = -np.inf, ROUNDING
    while waiting and -waiting[0][0] >= best - slack:
        some = [heapq.heappop(waiting)[1] for _ in range(min(TOGETHER, len(waiting)))]
        gains, error = batch.gains(_members(rows, some), np.float32)
        fresh.update(zip(some, gains.tolist(), strict=True))
        best, slack = max(best, float(gains.max())), max(slack, ROUNDING + ERRORS * error)
    rivals = sorted(row for row, gain in fresh.items() if gain >= best - 2.0 * ROUNDING)
    for start in range(0, len(rivals), TOGETHER):
        some = rivals[start : start + TOGETHER]
        gains, _ = batch.gains(_members(rows, some), np.float64)
        fresh.update(zip(some, gains.tolist(), strict=True))
    best = max(fresh[row] for row in rivals)
    equals = np.array([row for row in rivals if fresh[row] >= best - 1e-12], np.int64)
    row = int(equals[tie_keys(equals, seed).argmin()])
    best = fresh.pop(row)
    for other, gain in fresh.items():
        heapq.heappush(waiting, (-gain, other))
    return best, row


class _Batch:
    """The labels of what was picked so far, as weighted configurations.

    Attributes:
        posterior: ``(configurations, T)`` probability of each member given a configuration.
        weights: ``(configurations,)`` probability of each configuration.
    """

    def __init__(self, samples: int, rng: np.random.Generator) -> None:
        self.samples, self.rng = samples, rng
        self.posterior: Matrix = np.zeros((0, 0))
        self.weights: Vector = np.ones(1)
        self.picked: list[Matrix] = []
        self._origin: NDArray[np.int64] | None = None
        self._told: dict[type, tuple[Matrix, Vector]] = {}

    def gains(self, members: Matrix, kind: type) -> tuple[Vector, float]:
        """``(k,)`` information of each item's label on the member, given the batch's labels.

        That of one configuration is the entropy of the mixture by the posterior less the mixture
        of the members' entropies. Taking the latter of the same configuration, not of the prior,
        has the same expectation and far less noise when configurations are drawn.

        Returns:
            The gains, and the largest standard error of drawing configurations; 0 of all of them.
        """
        count, members_count, classes = members.shape
        own = entropy_of(members).T.astype(kind)
        flat: Matrix = members.transpose(1, 0, 2).reshape(members_count, -1).astype(kind)
        posterior, weights = self._telling(kind, members_count)
        total, squares = np.zeros(count), np.zeros(count)
        step = max(1, HELD // (count * classes))
        for start in range(0, len(weights), step):
            here = slice(start, start + step)
            mixture = (posterior[here] @ flat).reshape(-1, count, classes)
            found = _entropies(mixture) - posterior[here] @ own
            total += weights[here] @ found
            if self._origin is not None:
                squares += weights[here] @ (found * found)
        if self._origin is None:
            return total, 0.0
        spread = np.sqrt(np.maximum(squares - total * total, 0.0) / len(self.weights))
        return total, float(spread.max())

    def _telling(self, kind: type, members: int) -> tuple[Matrix, Vector]:
        """Configurations that leave anything open about the member.

        The information in a configuration is at most the entropy of its posterior; those left out
        could add no more than a billionth of a nat together.
        """
        if kind not in self._told:
            posterior = self.posterior if self.picked else np.full((1, members), 1.0 / members)
            open_ = self.weights * entropy_of(posterior)
            order = np.argsort(open_)
            told = np.sort(order[np.cumsum(open_[order]) > NEGLIGIBLE])
            self._told[kind] = (posterior[told].astype(kind), self.weights[told].astype(kind))
        return self._told[kind]

    def add(self, picked: Matrix) -> None:
        """Append an item's label; ``picked`` is ``(T, C)``."""
        self._told = {}
        if not self.picked:
            self.posterior = np.full((1, len(picked)), 1.0 / len(picked))
        self.picked.append(picked)
        if self._origin is not None:
            self._extend(picked)
        elif len(self.weights) * picked.shape[1] > max(self.samples, len(picked)):
            self._sample(len(picked))
        else:
            self._multiply(picked)

    def _multiply(self, picked: Matrix) -> None:
        """Every configuration with every label."""
        joint = (self.posterior * self.weights[:, None])[:, None, :] * picked.T[None]
        joint = joint.reshape(-1, len(picked))
        weights = joint.sum(axis=1)
        possible = weights > 0.0
        self.weights = weights[possible]
        self.posterior = joint[possible] / self.weights[:, None]

    def _sample(self, members: int) -> None:
        """Go over to configurations drawn from each member in turn."""
        self._origin = np.repeat(np.arange(members), -(-self.samples // members))
        count = len(self._origin)
        self.weights = np.full(count, 1.0 / count)
        self.posterior = np.full((count, members), 1.0 / members)
        for one in self.picked:
            self._extend(one)

    def _extend(self, picked: Matrix) -> None:
        """Draw a label for each configuration from the member it comes from."""
        assert self._origin is not None
        sums = np.cumsum(picked, axis=1)[self._origin]
        drawn = self.rng.random(len(sums)) * sums[:, -1]
        labels = np.minimum((sums <= drawn[:, None]).sum(axis=1), picked.shape[1] - 1)
        self.posterior *= picked[:, labels].T
        self.posterior /= self.posterior.sum(axis=1, keepdims=True)


def _entropies(mixture: Any) -> Any:
    """Entropy along the last axis, in the type given, in place."""
    logs = np.log(np.maximum(mixture, TINY))
    logs *= mixture
    return -np.einsum("mkc->mk", logs)
