"""When to retrain: rules over a :class:`~querist.control.rules.View`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from querist.control.rules import Rule, View


@dataclass(frozen=True, slots=True)
class EveryLabels(Rule):
    """After every ``count`` new training labels."""

    count: int

    def __call__(self, view: View) -> str | None:
        """Holds when that many came since the last fit began."""
        if view.fresh >= self.count:
            return f"{view.fresh} new labels (every {self.count})"
        return None


@dataclass(frozen=True, slots=True)
class GrowingBy(Rule):
    """When the training set has grown by a ``share`` since the last fit (0.1 is ten per cent)."""

    share: float
    at_least: int = 1

    def __call__(self, view: View) -> str | None:
        """Holds when the set grew enough."""
        fitted = view.train_labels - view.fresh
        if view.fresh >= max(self.at_least, self.share * fitted):
            return f"the training set grew from {fitted} to {view.train_labels}"
        return None


@dataclass(frozen=True, slots=True)
class WhenIdle(Rule):
    """As soon as a trainer is idle and at least ``count`` new labels are there."""

    count: int = 1

    def __call__(self, view: View) -> str | None:
        """Holds when the trainer would otherwise wait."""
        if view.trainer_idle and view.fresh >= self.count:
            return f"the trainer was idle with {view.fresh} new labels"
        return None


@dataclass(frozen=True, slots=True)
class OnErrorGrowth(Rule):
    """When the error on labels not trained on exceeds ``factor`` times the hold-out error."""

    factor: float = 1.5
    at_least: int = 5

    def __call__(self, view: View) -> str | None:
        """Holds when both errors are known and their ratio is too large."""
        if view.fresh < self.at_least or math.isnan(view.recent_error):
            return None
        if view.recent_error > self.factor * view.published_error:
            return (
                f"the error on new labels is {view.recent_error:.3g}, "
                f"{self.factor:g} times the {view.published_error:.3g} of the hold-out"
            )
        return None
