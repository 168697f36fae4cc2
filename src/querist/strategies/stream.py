"""Items that come one by one: ask now or never, within a budget.

Žliobaitė, Bifet, Pfahringer & Holmes 2014, *Active Learning With Drifting Streaming Data*: the
share of recent items that were asked is estimated in constant memory, and while it is below the
budget one of four strategies decides by the confidence of the prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError

KINDS = ("fixed", "variable", "randomised", "split")


def shares(**given: float) -> None:
    """Refuse what is no share from 0 to 1; a budget is above 0, too.

    Raises:
        ConfigError: With its name.
    """
    for name, value in given.items():
        if not 0.0 <= value <= 1.0 or (name == "budget" and value == 0.0):
            raise ConfigError(f"{name} is a share from 0 to 1, got {value}.")


@dataclass(frozen=True, slots=True)
class Stream:
    """A threshold with a budget: what was decided so far is part of the value.

    :meth:`ask` returns the decisions and the stream as it is after them. Its fields are plain
    numbers and texts, so :meth:`state` goes into JSON and :meth:`restored` comes out of it.

    Attributes:
        budget: Share of the items that may be asked, above 0 and up to 1.
        kind: "fixed": ask below a threshold of the confidence. "variable": the threshold falls by
            ``step`` with every question and rises with every item that is let pass, so that it
            follows a drifting stream. "randomised": the same, the threshold times a normal number
            of mean 1 for each item, so that confident regions are looked into too. "split": a share
            ``explore`` of the items is asked at random with the budget for probability.
        step: By which share the threshold changes.
        window: Over how many items, roughly, the budget must hold.
        spread: Standard deviation of the factor of "randomised".
        explore: Share of the items that "split" leaves to chance.
        threshold: Of the confidence, now.
        spent: Questions within the window, as estimated.
        seen: Items so far.
        asked: Questions so far.
    """

    budget: float
    kind: str = "variable"
    step: float = 0.01
    window: int = 100
    spread: float = 1.0
    explore: float = 0.2
    threshold: float = 1.0
    spent: float = 0.0
    seen: int = 0
    asked: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"the kind of a stream is one of {', '.join(KINDS)}: {self.kind!r}.")
        shares(budget=self.budget, step=self.step, explore=self.explore)
        if self.window < 1 or self.spread < 0.0 or not self.threshold >= 0.0:
            raise ConfigError("window is at least 1; spread and threshold are not negative.")

    def ask(
        self, confidences: NDArray[Any], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], Stream]:
        """Decide on the next items, one after the other.

        Args:
            confidences: ``(k,)`` probability of the likeliest class of each, or one less any
                uncertainty from 0 to 1 (a score of ``least-confidence``).
            rng: Randomness of "randomised" and "split"; the others leave it alone.

        Returns:
            ``(k,)`` whether each is asked, and the stream as it is then. The same items in parts
            of any size are decided alike.

        Raises:
            ConfigError: If a confidence is not from 0 to 1.
        """
        values = np.asarray(confidences, float)
        if values.ndim != 1 or not ((values >= 0.0) & (values <= 1.0)).all():
            raise ConfigError("confidences are a vector of numbers from 0 to 1.")
        stream, decisions = self, np.zeros(len(values), bool)
        for place, confidence in enumerate(values.tolist()):
            decisions[place], stream = stream._next(confidence, rng)
        return decisions, stream

    def _next(self, confidence: float, rng: np.random.Generator) -> tuple[bool, Stream]:
        """Section IV of the paper: while the estimate is within the budget the strategy decides."""
        asks, threshold = False, self.threshold
        if self.spent / self.window < self.budget:
            asks, threshold = self._decide(confidence, rng)
        return asks, replace(
            self,
            threshold=threshold,
            spent=self.spent * (self.window - 1) / self.window + asks,
            seen=self.seen + 1,
            asked=self.asked + asks,
        )

    def _decide(self, confidence: float, rng: np.random.Generator) -> tuple[bool, float]:
        """Whether to ask, and the threshold after that: algorithms 1 to 4."""
        if self.kind == "split" and rng.random() < self.explore:
            return bool(rng.random() < self.budget), self.threshold
        if self.kind == "fixed":
            return confidence < self.threshold, self.threshold
        factor = rng.normal(1.0, self.spread) if self.kind == "randomised" else 1.0
        asks = confidence < self.threshold * factor
        change = 1.0 - self.step if asks else 1.0 + self.step
        return asks, self.threshold * change

    def state(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Stream:
        """The stream of a :meth:`state`."""
        return cls(**state)
