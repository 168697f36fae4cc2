"""What to ask of whom, when to retrain, when to stop: the contract, and the standard policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from querist.control.rules import Rule, View


@runtime_checkable
class Policy(Protocol):
    """Pure: sees numbers, returns decisions; no clock, no randomness, no sample.

    Any method may raise; the campaign then stops with the traceback.
    """

    def priority(self, score: float, view: View) -> float | None:
        """Priority of a candidate with this uncertainty (higher is asked first); None drops it."""

    def route(self, score: float) -> str:
        """Name of the oracle to ask; "" for the campaign's first."""

    def should_retrain(self, view: View) -> str | None:
        """Why to start training now, or None."""

    def should_stop(self, view: View) -> str | None:
        """Why to stop now, or None."""


@dataclass(frozen=True, slots=True)
class StandardPolicy:
    """Ask the most uncertain first; retrain and stop by rules.

    Attributes:
        retrain: When to train, see :mod:`querist.control.retrain`.
        stop: When to stop, see :mod:`querist.control.stop`.
        routes: ``(oracle, from_score)`` pairs: the last whose ``from_score`` is at most the
            candidate's uncertainty is asked. Empty: always the campaign's first oracle.
    """

    retrain: Rule
    stop: Rule
    routes: tuple[tuple[str, float], ...] = ()

    def priority(self, score: float, view: View) -> float | None:
        """The uncertainty itself."""
        return score

    def route(self, score: float) -> str:
        """By bands of uncertainty."""
        if not self.routes:
            return ""
        fitting = [name for name, start in self.routes if score >= start]
        return fitting[-1] if fitting else self.routes[0][0]

    def should_retrain(self, view: View) -> str | None:
        """What the rule says."""
        return self.retrain(view)

    def should_stop(self, view: View) -> str | None:
        """What the rule says."""
        return self.stop(view)
