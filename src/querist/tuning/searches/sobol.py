"""Search along a low-discrepancy sequence."""

from __future__ import annotations

from querist.tuning.searches.random import RandomSearch
from querist.tuning.space import Values


class SobolSearch(RandomSearch):
    """Points of a scrambled Sobol sequence, which covers the space evenly.

    A study that is continued goes on with the points that were not tried.

    Args:
        problem: What is searched.
    """

    def draw(self, tried: set[str]) -> Values | None:
        """The next point of the sequence; None where none is left."""
        return self.drawing.next_even(tried)
