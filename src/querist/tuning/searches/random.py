"""Random search."""

from __future__ import annotations

from collections.abc import Sequence

from querist.tuning.searches.drawing import Drawing
from querist.tuning.space import Values
from querist.tuning.trial import Problem, Trial


class RandomSearch:
    """Independent points; the baseline of every comparison.

    Args:
        problem: What is searched.
    """

    knows_its_end = True

    def __init__(self, problem: Problem) -> None:
        self.space = problem.space
        self.drawing = Drawing(problem.space, problem.seed)
        self.tried: set[str] = set()

    def ask(self, count: int, pending: Sequence[Values]) -> list[Values]:
        """Points that were not tried."""
        tried = self.tried | {self.space.key(values) for values in pending}
        found: list[Values] = []
        while len(found) < count and (values := self.draw(tried)) is not None:
            found.append(values)
            tried.add(self.space.key(values))
        return found

    def draw(self, tried: set[str]) -> Values | None:
        """One more point; None where none is left."""
        return self.drawing.any(tried)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Only what was tried counts."""
        self.tried |= {self.space.key(trial.settings) for trial in trials}
