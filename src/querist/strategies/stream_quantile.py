"""Items that come one by one: ask those whose score is high among recent ones.

Kottke, Krempl & Spiliopoulou 2015, *Probabilistic Active Learning in Datastreams* (IDA), the
balanced incremental quantile filter: the threshold is a quantile of the last scores, lowered where
fewer questions were asked than the budget allows, and raised where more were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.stream import shares


@dataclass(frozen=True, slots=True)
class QuantileStream:
    """Recent scores and a budget: what was decided so far is part of the value.

    :meth:`ask` returns the decisions and the stream as it is after them. Its fields are plain
    numbers, so :meth:`state` goes into JSON and :meth:`restored` comes out of it.

    Attributes:
        budget: Share of the items that may be asked, above 0 and up to 1.
        window: How many recent scores are kept.
        tolerance: By how many questions the budget may be off before the threshold has moved by
            the range of the recent scores.
        seen: Items so far.
        asked: Questions so far.
        scores: Recent ones.
    """

    budget: float
    window: int = 100
    tolerance: float = 50.0
    seen: int = 0
    asked: int = 0
    scores: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        shares(budget=self.budget)
        if self.window < 1 or not self.tolerance > 0.0:
            raise ConfigError("window is at least 1, and tolerance above 0.")

    def ask(self, scores: NDArray[Any]) -> tuple[NDArray[np.bool_], QuantileStream]:
        """Decide on the next items, one after the other.

        Args:
            scores: ``(k,)`` how much each is wanted, the highest most: any finite numbers, such as
                the gains of ``mcpal``.

        Returns:
            ``(k,)`` whether each is asked, and the stream as it is then. The same items in parts
            of any size are decided alike.

        Raises:
            ConfigError: If a score is not finite.
        """
        values = np.asarray(scores, float)
        if values.ndim != 1 or not np.isfinite(values).all():
            raise ConfigError("scores are a vector of finite numbers.")
        stream, decisions = self, np.zeros(len(values), bool)
        for place, score in enumerate(values.tolist()):
            decisions[place], stream = stream._next(score)
        return decisions, stream

    def _next(self, score: float) -> tuple[bool, QuantileStream]:
        recent, seen = (*self.scores, score)[-self.window :], self.seen + 1
        left = self.budget * seen - self.asked
        moved = (max(recent) - min(recent)) * left / self.tolerance
        asks = score >= float(np.quantile(recent, 1.0 - self.budget)) - moved
        return asks, replace(self, seen=seen, asked=self.asked + asks, scores=recent)

    def state(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {**asdict(self), "scores": list(self.scores)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> QuantileStream:
        """The stream of a :meth:`state`."""
        return cls(**{**state, "scores": tuple(state["scores"])})
