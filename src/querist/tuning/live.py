"""Settings that are changed while a simulation goes on.

A long run is cut into segments. Each is run with some settings, and what it gave is told; after
some segments of search the best settings stay, and are searched for anew when they no longer keep
what they promised (the system changed, or the machine did).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.core.errors import ConfigError, RunError
from querist.tuning.search import make_search
from querist.tuning.space import Value
from querist.tuning.trial import Problem, Trial


class Live:
    """Asks for the settings of the next segment, and learns from what it gave.

    While it searches each segment tries something new; then all have the best settings. When, of
    the last ``window`` segments with them, the median objective is worse than promised by more than
    ``drift`` (relative), or most miss a constraint or fail, everything is forgotten but the
    settings themselves, which are tried first, and the search begins again.

    Args:
        space: As :meth:`~querist.tuning.space.Space.of` takes.
        goal: As :meth:`~querist.tuning.trial.Problem.read` takes.
        search: As :func:`~querist.tuning.search.make_search` takes.
        segments: How many a search may use.
        how: ``begin``, settings to try first; ``drift`` (0.25); ``window`` (5); ``seed``.

    Attributes:
        searches: How often it began to search.
        trials: Of the search that goes on, or that found the settings in force.
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        goal: Mapping[str, Any],
        search: Any = "gp",
        segments: int = 15,
        **how: Any,
    ) -> None:
        self._begin, self._drift, self._window, self._seed = _manner(**how)
        self._told = (space, goal, search)
        self._segments, self.searches = segments, 0
        self._asked: dict[str, Value] | None = None
        self._start(self._begin)

    def _start(self, first: Mapping[str, Value] | None) -> None:
        space, goal, use = self._told
        seed = self._seed + self.searches
        self.problem = Problem.read(space, goal, self._segments, seed)
        self._search, self.trials = make_search(use, self.problem), list[Trial]()
        self._first = None if first is None else self.problem.space.own(first)
        self._recent: deque[Trial] = deque(maxlen=self._window)
        self.searches += 1

    @property
    def searching(self) -> bool:
        """Whether segments still try something new."""
        return len(self.trials) < self._segments or self.best is None

    @property
    def best(self) -> Trial | None:
        """The best trial that keeps all constraints."""
        return self.problem.best(self.trials)

    def settings(self) -> dict[str, Value]:
        """Settings for the next segment; tell its outputs before asking again.

        Raises:
            RunError: If all settings were tried, and none keeps all constraints.
        """
        best = self.best
        if not self.searching and best is not None:
            self._asked = dict(best.settings)
        elif self._first is not None:
            self._asked, self._first = self._first, None
        else:
            found = self._search.ask(1, []) or ([] if best is None else [best.settings])
            if not found:
                raise RunError("all settings were tried, and none keeps all constraints.")
            self._asked = self.problem.space.own(found[0])
        return dict(self._asked)

    def tell(self, outputs: Mapping[str, float], cost: float | None = None) -> None:
        """What the segment gave; an empty mapping where it failed.

        Raises:
            RunError: If no settings were asked for.
        """
        if self._asked is None:
            raise RunError("ask for settings() before telling what a segment gave.")
        failure = "" if outputs else "the segment failed"
        numbers = {name: float(value) for name, value in outputs.items()}
        trial = self.problem.judged(Trial(self._asked, numbers, cost, failure))
        searching, self._asked = self.searching, None
        if searching:
            self.trials.append(trial)
            self._search.tell([trial])
        else:
            self._recent.append(trial)
            if self._drifted():
                self._start(trial.settings)

    def _drifted(self) -> bool:
        best = self.best
        if best is None or len(self._recent) < self._window:
            return False
        good = [self.problem.loss(trial) for trial in self._recent if self.problem.holds(trial)]
        if len(good) <= self._window // 2:
            return True
        promised = self.problem.loss(best)
        return float(np.median(good)) - promised > self._drift * abs(promised)


def _manner(
    begin: Mapping[str, Value] | None = None, drift: float = 0.25, window: int = 5, seed: int = 0
) -> tuple[Mapping[str, Value] | None, float, int, int]:
    if drift <= 0 or window < 1:
        raise ConfigError("drift is above zero, and window at least 1.")
    return begin, drift, window, seed
