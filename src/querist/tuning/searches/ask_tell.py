"""Any optimiser with ``ask`` and ``tell`` of plain vectors, as a search."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ContractError
from querist.core.tasks import resolve
from querist.tuning.space import Values
from querist.tuning.trial import Problem, Trial

AGAIN = 20


class AskTellSearch:
    """Plugs in an optimiser that minimises over the unit cube (CMA-ES, differential evolution ...).

    Its ``ask(n)`` (or ``ask()``, of one point) gives points, one coordinate a setting;
    ``tell(points, values)`` gets ``(k, d)`` points as they were asked for and ``(k,)`` losses, as
    they come, or with ``together`` whole rounds in the order in which they were asked for. A
    missed limit adds ``penalty`` times its excess; a failed run counts as ``failed``; for a point
    that breaks a bound on a sum of settings the nearest that is allowed is tried. What the
    optimiser did not ask for (earlier observations) is told to it only where ``foreign``.

    Args:
        problem: What is searched.
        optimiser: The class or function that makes it, or "package.module:attribute"; or it itself.
        options: Keyword arguments of the class or function.
        together: Points that belong together, 0 to tell each as it comes.
        penalty: Of limits, in units of the objective.
        failed: Loss of a failed run; by default the worst one so far (1e9 before any).
        foreign: Whether to tell it of points that it did not ask for.
    """

    def __init__(
        self,
        problem: Problem,
        optimiser: Any,
        options: Mapping[str, Any] | None = None,
        together: int = 0,
        **how: Any,
    ) -> None:
        made = resolve(optimiser) if isinstance(optimiser, str) else optimiser
        if isinstance(made, type) or not hasattr(made, "ask"):
            made = made(**(options or {}))
        if not (hasattr(made, "ask") and hasattr(made, "tell")):
            raise ContractError(f"{made!r} is no optimiser: it needs ask and tell.")
        self.problem, self.space, self._made, self._together = (
            problem,
            problem.space,
            made,
            together,
        )
        self._penalty, self._failed, self._foreign = _manner(**how)
        self._takes_count = bool(inspect.signature(made.ask).parameters)
        self._asked: dict[str, list[NDArray[np.float64]]] = {}
        self._round: list[tuple[NDArray[np.float64], str]] = []
        self._losses: dict[str, float] = {}

    def ask(self, count: int, pending: Sequence[Values]) -> list[Values]:
        """New points; of one tried already the optimiser is told at once."""
        found: list[Values] = []
        for _ in range(AGAIN):
            wanted = count - len(found)
            if wanted <= 0 or (self._together and len(self._round) >= self._together):
                break
            if self._together:
                wanted = self._together - len(self._round)
            for point in self._points(wanted):
                found += self._take(point)
        return found

    def _take(self, point: NDArray[np.float64]) -> list[Values]:
        values = self.space.point(point)
        key = self.space.key(values)
        known = key in self._asked or key in self._losses
        self._asked.setdefault(key, []).append(point)
        self._round.append((point, key))
        if key in self._losses:
            self._settle()
        return [] if known else [values]

    def _points(self, count: int) -> NDArray[np.float64]:
        given = self._made.ask(count) if self._takes_count else self._made.ask()
        points = np.atleast_2d(np.asarray(given, np.float64))
        if points.shape[1:] != (len(self.space),):
            raise ContractError(
                f"the optimiser asked for points of shape {points.shape[1:]}, but there are "
                f"{len(self.space)} settings."
            )
        if not np.isfinite(points).all():
            raise ContractError("the optimiser asked for a point with a coordinate that is NaN.")
        return points

    def tell(self, trials: Sequence[Trial]) -> None:
        """Losses of what it asked for, and where wanted of what it did not."""
        strange = []
        for trial in self.problem.allowed(trials):
            key = self.space.key(trial.settings)
            self._losses[key] = self._loss(trial)
            if key not in self._asked:
                strange.append(trial)
        if strange and self._foreign:
            points = [self.space.places(trial.settings) for trial in strange]
            losses = [self._losses[self.space.key(trial.settings)] for trial in strange]
            self._made.tell(np.array(points), np.array(losses))
        self._settle()

    def _settle(self) -> None:
        """Tell what is complete: each answered point, or the whole round."""
        done = [(point, key) for point, key in self._round if key in self._losses]
        if not done or (self._together and len(done) < max(self._together, len(self._round))):
            return
        self._round = [pair for pair in self._round if pair[1] not in self._losses]
        losses = np.array([self._losses[key] for _, key in done])
        self._made.tell(np.array([point for point, _ in done]), losses)

    def _loss(self, trial: Trial) -> float:
        if trial.failure:
            worst = max(self._losses.values(), default=1e9)
            return worst if self._failed is None else self._failed
        missed = sum(max(0.0, excess) for excess in self.problem.excesses(trial))
        return self.problem.loss(trial) + self._penalty * missed


def _manner(
    penalty: float = 1e3, failed: float | None = None, foreign: bool = False
) -> tuple[float, float | None, bool]:
    return penalty, failed, foreign
