"""The budget: estimated cost is reserved before asking, actual cost is booked after."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_ROUNDING = 1 + 1e-9  # sums of costs carry rounding errors; a hundred times 0.1 fits into 10


class RunningCost:
    """Mean of actual costs by oracle; the declared cost until there is one.

    Args:
        declared: Cost by oracle where it is declared, else 0 until the first answer.
    """

    def __init__(self, declared: Mapping[str, float | None]) -> None:
        self._declared = dict(declared)
        self._seen: dict[str, tuple[int, float]] = {}

    def estimate(self, oracle: str) -> float:
        """Expected cost of one question."""
        declared = self._declared.get(oracle)
        if declared is not None:
            return declared
        count, total = self._seen.get(oracle, (0, 0.0))
        return total / count if count else 0.0

    def observe(self, oracle: str, cost: float) -> None:
        """Learn from an actual cost."""
        count, total = self._seen.get(oracle, (0, 0.0))
        self._seen[oracle] = (count + 1, total + cost)

    def state(self) -> dict[str, Any]:
        """JSON-able state."""
        return {oracle: list(seen) for oracle, seen in self._seen.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Read back what ``state`` gave."""
        self._seen = {oracle: (int(n), float(total)) for oracle, (n, total) in state.items()}


class Ledger:
    """Reservations against two budgets: number of labels and cost.

    Invariant: after every :meth:`reserve` that returned True, spent plus reserved is within both
    budgets. Spending may exceed the cost budget only by the error of estimates in flight.

    Args:
        labels: Most labels, infinity for no limit.
        cost: Most cost, infinity for no limit.
    """

    def __init__(self, labels: float = math.inf, cost: float = math.inf) -> None:
        self.label_limit, self.cost_limit = labels, cost
        self.labels, self.cost = 0, 0.0
        self.reserved_cost = 0.0
        self._reserved: dict[str, float] = {}

    @property
    def reserved_labels(self) -> int:
        """Questions that hold a reservation."""
        return len(self._reserved)

    def allows(self, cost: float) -> bool:
        """Whether one more question of this estimated cost fits."""
        if self.labels + len(self._reserved) + 1 > self.label_limit:
            return False
        return self.cost + self.reserved_cost + cost <= self.cost_limit * _ROUNDING

    def affords(self, cost: float) -> bool:
        """Whether this cost fits besides what is spent and reserved."""
        return self.cost + self.reserved_cost + cost <= self.cost_limit * _ROUNDING

    def reserve(self, question: str, cost: float) -> bool:
        """Reserve for a question; False (and no change) when it does not fit."""
        if question in self._reserved or not self.allows(cost):
            return False
        self.force(question, cost)
        return True

    def force(self, question: str, cost: float) -> None:
        """Book a reservation that was granted before (replaying the journal)."""
        if question in self._reserved:
            self.release(question)
        self._reserved[question] = cost
        self.reserved_cost += cost

    def release(self, question: str) -> None:
        """Give a reservation back."""
        self.reserved_cost -= self._reserved.pop(question, 0.0)
        if not self._reserved:
            self.reserved_cost = 0.0  # drops rounding errors

    def charge(self, cost: float, *, label: bool) -> None:
        """Book what was spent, and whether a label came of it."""
        self.cost += cost
        self.labels += int(label)

    def state(self) -> dict[str, Any]:
        """JSON-able state, limits not included."""
        return {"labels": self.labels, "cost": self.cost, "reserved": dict(self._reserved)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Read back what ``state`` gave."""
        self.labels, self.cost = int(state["labels"]), float(state["cost"])
        self._reserved = {key: float(cost) for key, cost in state["reserved"].items()}
        self.reserved_cost = sum(self._reserved.values())
