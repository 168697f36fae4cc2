"""The exhaustive grid."""

from __future__ import annotations

from collections.abc import Sequence

from querist.core.errors import ConfigError
from querist.tuning.space import Values
from querist.tuning.trial import Problem, Trial


class GridSearch:
    """Every point of the grid once, in order.

    Args:
        problem: What is searched; real settings need ``levels``.

    Raises:
        ConfigError: If a real setting has none, or no point keeps the bounds on sums.
    """

    knows_its_end = True

    def __init__(self, problem: Problem) -> None:
        self.space, self.tried = problem.space, set[str]()
        self.points = list(problem.space.grid())
        if not self.points:
            raise ConfigError(
                "no point of the grid keeps the bounds on sums of settings; give finer levels."
            )

    def ask(self, count: int, pending: Sequence[Values]) -> Sequence[Values]:
        """The next points that were not tried."""
        tried = self.tried | {self.space.key(values) for values in pending}
        return [values for values in self.points if self.space.key(values) not in tried][:count]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Only what was tried counts."""
        self.tried |= {self.space.key(trial.settings) for trial in trials}
