"""What the oracles cost: cost and seconds by outcome, oracle and purpose; what was saved."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from querist.accounting.facts import FactLike, finite, number, several, span, text

LABEL, FAILURE, ABSTENTION = "label", "failure", "abstention"
NOTE = (
    "Upper estimate: every trusted prediction is counted as one call of the oracle at the mean "
    "seconds of a label. Without a model fewer steps might have been taken, and the seconds spent "
    "on training and prediction are not deducted."
)
Key = tuple[str, str]


class _Calls:
    """Seconds of calls by (outcome, oracle).

    An oracle may answer many questions in one call; their facts then share the worker and the
    instants. The seconds of such a call are counted once and divided evenly among its answers.
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[tuple[float, float], list[Key]]] = {}
        self._seconds: defaultdict[Key, float] = defaultdict(float)

    def add(self, worker: str, interval: tuple[float, float], key: Key) -> None:
        last = self._open.get(worker)
        if last is not None and last[0] == interval:
            last[1].append(key)
            return
        if last is not None:
            _divide(self._seconds, *last)
        self._open[worker] = (interval, [key])

    def take(self, seconds: float, key: Key) -> None:
        self._seconds[key] += seconds

    def seconds(self) -> dict[Key, float]:
        total = self._seconds.copy()
        for interval, keys in self._open.values():
            _divide(total, interval, keys)
        return total


def _divide(total: dict[Key, float], interval: tuple[float, float], keys: list[Key]) -> None:
    for key in keys:
        total[key] += (interval[1] - interval[0]) / len(keys)


class CostFold:
    """Folds answers, questions, explored slices and published models into costs.

    Attributes:
        spent: Cost of all answers so far, failed ones included.
    """

    def __init__(self) -> None:
        self._calls = _Calls()
        self._cost: defaultdict[Key, float] = defaultdict(float)
        self._count: defaultdict[Key, int] = defaultdict(int)
        self._timed: defaultdict[Key, int] = defaultdict(int)
        self._purpose: defaultdict[str, float] = defaultdict(float)
        self._estimates: dict[str, float] = {}
        self.spent = 0.0
        self._trusted = 0.0
        self._predict = 0.0
        self._fit = 0.0

    def asked(self, fact: FactLike) -> None:
        """A question is out: its estimate is reserved."""
        self._estimates[text(fact.data, "question")] = number(fact.data, "estimate")

    def label(self, fact: FactLike) -> None:
        """A label came."""
        self._answer(fact, LABEL)
        self._estimates.pop(text(fact.data, "question"), None)

    def failure(self, fact: FactLike) -> None:
        """A try failed; its question stays open unless it was the last."""
        self._answer(fact, FAILURE)
        if fact.data.get("final", True):
            self._estimates.pop(text(fact.data, "question"), None)

    def abstention(self, fact: FactLike) -> None:
        """The oracle declined."""
        self._answer(fact, ABSTENTION)
        self._estimates.pop(text(fact.data, "question"), None)

    def explored(self, fact: FactLike) -> None:
        """Predictions that were trusted stand for calls that were not made."""
        self._trusted += number(fact.data, "trusted")
        self._predict += number(fact.data, "predict")

    def fitted(self, fact: FactLike) -> None:
        """Seconds of training, over all groups of members."""
        found = [span(one) for one in several(fact.data, "spans")]
        self._fit += sum(one[1] - one[0] for one in found if one is not None)

    def _answer(self, fact: FactLike, outcome: str) -> None:
        key = outcome, text(fact.data, "oracle", "?")
        interval = span(fact.data.get("spans"))
        self._count[key] += 1
        seconds = finite(fact.data.get("seconds"))
        if interval is not None:
            self._timed[key] += 1
            self._calls.add(text(fact.data, "worker"), interval, key)
        elif seconds is not None:  # streamed out of a call that goes on
            self._timed[key] += 1
            self._calls.take(seconds, key)
        cost = finite(fact.data.get("cost"))
        if cost is None:  # an oracle that names no cost is charged its seconds
            cost = 0.0 if interval is None else interval[1] - interval[0]
        self._cost[key] += cost
        self.spent += cost
        self._purpose[text(fact.data, "purpose", "?")] += cost

    def build(self) -> dict[str, Any]:
        """The section ``costs`` of a summary."""
        seconds = self._calls.seconds()
        outcomes = {
            name: self._sum(seconds, [k for k in self._count if k[0] == name])
            for name in (LABEL, FAILURE, ABSTENTION)
        }
        oracles = sorted({key[1] for key in self._count})
        return {
            "spent": self.spent,
            "seconds": sum(seconds.values(), 0.0),
            "reserved": sum(self._estimates.values(), 0.0),
            "by_outcome": outcomes,
            "by_purpose": dict(self._purpose),
            "by_oracle": {name: self._oracle(seconds, name) for name in oracles},
            "fit_seconds": self._fit,
            "predict_seconds": self._predict,
        }

    def saved(self) -> dict[str, Any]:
        """The section ``saved`` of a summary."""
        seconds = self._calls.seconds()
        total = sum(value for key, value in seconds.items() if key[0] == LABEL)
        timed = sum(value for key, value in self._timed.items() if key[0] == LABEL)
        mean = total / timed if timed else None
        return {
            "trusted_predictions": int(self._trusted),
            "mean_oracle_seconds": mean,
            "oracle_seconds_upper_estimate": None if mean is None else self._trusted * mean,
            "note": NOTE,
        }

    def _sum(self, seconds: dict[Key, float], keys: list[Key]) -> dict[str, Any]:
        return {
            "count": sum(self._count[key] for key in keys),
            "cost": sum((self._cost[key] for key in keys), 0.0),
            "seconds": sum((seconds.get(key, 0.0) for key in keys), 0.0),
        }

    def _oracle(self, seconds: dict[Key, float], oracle: str) -> dict[str, Any]:
        keys = [key for key in self._count if key[1] == oracle]
        label = LABEL, oracle
        timed = self._timed.get(label)
        return self._sum(seconds, keys) | {
            "labels": self._count.get(label, 0),
            "failures": self._count.get((FAILURE, oracle), 0),
            "abstentions": self._count.get((ABSTENTION, oracle), 0),
            "mean_seconds": seconds.get(label, 0.0) / timed if timed else None,
        }
