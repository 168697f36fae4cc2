"""A bandit over strategies that learns from the accuracy on what it asked: ALBL.

Active learning by learning (Hsu and Lin, AAAI 2015) plays EXP4.P (Beygelzimer et al., AISTATS 2011,
algorithm 1) with the K strategies as arms and the unit vectors as experts. With weights ``w``, and
``psi_k`` the distribution over rows from which strategy k would ask:

- ``p_k = (1 - K p_min) w_k / sum(w) + p_min`` with ``p_min = sqrt(ln K / (K T))`` (at most 1 / K);
- the row i asked next is drawn from ``q = sum_k p_k psi_k``, and weighs ``W = 1 / q_i``. A row may
  be drawn again: that costs no label, and keeps the next estimate unbiased;
- the reward ``r`` is the importance-weighted accuracy ``sum_t W_t [y_t = f(x_t)] / (n t)`` of the
  newest model on the t rows drawn so far, of a pool of n. For a fixed model its expectation is the
  accuracy on the whole pool (their theorem 1);
- ``w_k *= exp(p_min / 2 * (r psi_k(i) / q_i + sqrt(ln(K / delta) / (K T)) / p_k))``.

The authors' program (libact) divides by ``T``, the number of all queries, in place of ``t``. That
makes early rewards small; we divide by ``t``, for which the theorem holds.
Of a batch, every row is a draw of its own from the same ``q``, and shares the reward after it.

The object is pure: it draws from a seed and a counter, and holds neither model nor data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.strategies.checks import whole_budget
from querist.strategies.choosing.branch import check_version
from querist.strategies.errors import NeedError

VERSION = 1
Advice = Mapping[str, Sequence[int] | NDArray[np.int64] | None]
"""By strategy the rows of the pool that it would ask, equally likely; None: any row of the pool."""


class Albl:
    """Draws rows from a mixture of strategies whose weights follow their merit.

    Args:
        strategies: Names, each once. For the reward to be unbiased one of them must be able to
            draw any row, labelled ones included (advice None).
        queries: ``T``, the labels to be bought.
        pool: ``n``, rows of the pool, labelled or not.
        seed: Of all draws.
        delta: Probability with which EXP4.P may miss its bound.

    Raises:
        NeedError: If there is no strategy, one is named twice, or delta is not above 0.
        BudgetError: If ``queries`` or ``pool`` is no whole number above zero.
    """

    def __init__(
        self, strategies: Sequence[str], queries: int, pool: int, seed: int, delta: float = 0.1
    ) -> None:
        if not strategies or len(set(strategies)) != len(strategies) or not 0 < delta <= 1:
            raise NeedError(
                f"ALBL wants strategies, each once, and 0 < delta <= 1, but got {list(strategies)} "
                f"and delta={delta}."
            )
        self.strategies = list(strategies)
        self.queries, self.pool = whole_budget(queries), whole_budget(pool)
        self.seed, self.delta = int(seed), float(delta)
        arms = len(self.strategies)
        self.floor = min(math.sqrt(math.log(arms) / (arms * self.queries)), 1 / arms)
        self._log_weights = np.zeros(arms)
        self.drawn: list[int] = []
        self.weights: list[float] = []
        self._untold: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []

    def probabilities(self) -> NDArray[np.float64]:
        """``(K,)`` how likely each strategy is to be followed."""
        relative = np.exp(self._log_weights - self._log_weights.max())
        arms = len(relative)
        found: NDArray[np.float64] = (1 - arms * self.floor) * relative / relative.sum()
        return found + self.floor

    def draw(self, advice: Advice) -> int:
        """The row that is asked next; perhaps one that has a label already.

        Raises:
            NeedError: If the advice is not of exactly the strategies.
            ShapeError: If a strategy advises no row.
        """
        self._check(advice)
        rng = np.random.default_rng([self.seed, len(self.drawn)])
        followed = self.probabilities()
        rows = advice[self.strategies[int(rng.choice(len(followed), p=followed))]]
        row = int(rng.integers(self.pool)) if rows is None else int(rng.choice(np.asarray(rows)))
        wanted = np.array([self._chance(advice[name], row) for name in self.strategies])
        chance = float(followed @ wanted)
        self.drawn.append(row)
        self.weights.append(1 / chance)
        self._untold.append({"wanted": wanted, "chance": chance, "followed": followed})
        return row

    def _check(self, advice: Advice) -> None:
        if set(advice) != set(self.strategies):
            raise NeedError(
                f"advice of {', '.join(self.strategies)} is wanted, but got {', '.join(advice)}."
            )
        silent = [name for name, rows in advice.items() if rows is not None and len(rows) == 0]
        if silent:
            raise ShapeError(f"every strategy advises at least one row, but not {silent}.")

    def _chance(self, rows: Sequence[int] | NDArray[np.int64] | None, row: int) -> float:
        """``psi_k`` of a row."""
        if rows is None:
            return 1 / self.pool
        return float(np.count_nonzero(np.asarray(rows) == row)) / len(rows)

    def observe(self, correct: Sequence[bool] | NDArray[np.bool_]) -> float:
        """Learn from a new model.

        Args:
            correct: For every draw so far, in order and with repetitions, whether the model that
                was fitted after the last one gets it right.

        Returns:
            The reward, an estimate of the model's accuracy on the whole pool.

        Raises:
            ShapeError: If it is not one truth for each draw.
        """
        right = np.asarray(correct, dtype=bool)
        if right.shape != (len(self.drawn),) or not self.drawn:
            raise ShapeError(
                f"one truth for each of {len(self.drawn)} draws is wanted, at least one; got shape "
                f"{right.shape}."
            )
        reward = float(np.asarray(self.weights) @ right) / (self.pool * len(right))
        for draw in self._untold:
            self._learn(draw, reward)
        self._untold.clear()
        probabilities = dict(zip(self.strategies, self.probabilities().tolist(), strict=True))
        self.history.append({"draws": len(right), "reward": reward, "probabilities": probabilities})
        return reward

    def _learn(self, draw: Mapping[str, Any], reward: float) -> None:
        arms = len(self.strategies)
        gained = reward * draw["wanted"] / draw["chance"]
        bonus = math.sqrt(math.log(arms / self.delta) / (arms * self.queries)) / draw["followed"]
        self._log_weights += self.floor / 2 * (gained + bonus)

    def state(self) -> dict[str, Any]:
        """Everything, as plain JSON data; :meth:`restore` makes the same object of it."""
        told = [
            {key: np.asarray(value).tolist() for key, value in one.items()} for one in self._untold
        ]
        return {
            "version": VERSION,
            "strategies": self.strategies,
            "queries": self.queries,
            "pool": self.pool,
            "seed": self.seed,
            "delta": self.delta,
            "log_weights": self._log_weights.tolist(),
            "drawn": list(self.drawn),
            "weights": list(self.weights),
            "untold": told,
            "history": [dict(one) for one in self.history],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Albl:
        """The object whose :meth:`state` this is.

        Raises:
            NeedError: If it was written by another version.
        """
        check_version(state, VERSION)
        names = ("strategies", "queries", "pool", "seed", "delta")
        made = cls(*(state[name] for name in names))
        made._log_weights = np.array(state["log_weights"])
        made.drawn, made.weights = list(state["drawn"]), list(state["weights"])
        made._untold = [
            {
                "wanted": np.array(one["wanted"]),
                "chance": float(one["chance"]),
                "followed": np.array(one["followed"]),
            }
            for one in state["untold"]
        ]
        made.history = [dict(one) for one in state["history"]]
        return made
