"""Runs a choice over a pool; fitting, evaluating and labelling are the caller's.

:class:`AutoPool` and :class:`AlblPool` have the same few members: ``step`` does one round, ``run``
all, ``labelled`` are the rows with a label, in the order in which they were bought, and ``state``
is plain JSON data from which a later process goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from querist.strategies.choosing.albl import Albl
from querist.strategies.choosing.auto import Auto
from querist.strategies.choosing.branch import Share
from querist.strategies.errors import NeedError
from querist.strategies.registry import get

Rows = NDArray[np.int64]
RANDOM = "random"


@dataclass(frozen=True)
class Work:
    """What only the caller can do. Rows are indices of the pool.

    Attributes:
        label: Buy the labels of these rows; each row is bought once.
        fit: A model from these labelled rows.
        evaluate: Metric of a model on a hold-out that is never given to ``fit``, higher is better,
            and its standard error.
        data: ``data(model, rows, labelled, names)``: of the kinds of data in ``names`` those that
            there are, for these unlabelled rows (``labelled_embeddings`` and ``labels``: for the
            labelled ones).
        correct: Whether a model gets each of these labelled rows right; ALBL needs it.
    """

    label: Callable[[Rows], None]
    fit: Callable[[Rows], Any]
    evaluate: Callable[[Any], tuple[float, float]]
    data: Callable[[Any, Rows, Rows, Sequence[str]], Mapping[str, Any]]
    correct: Callable[[Any, Rows], NDArray[np.bool_]] | None = None


class _Pool:
    """Rows with labels, and picks of single strategies.

    Args:
        work: The caller's part.
        pool: How many rows there are.
        start: Rows that have a label at the beginning.
        seed: Of the strategies that draw, and of the order of ties.
    """

    def __init__(self, work: Work, pool: int, start: Sequence[int], seed: int) -> None:
        self.work, self.pool, self.seed = work, pool, seed
        self.labelled = [int(row) for row in start]
        if not self.labelled or len(set(self.labelled)) != len(self.labelled):
            raise NeedError("start is one or more rows that have a label, each once.")
        self.rounds = 0

    def step(self) -> bool:
        """One round; False if there is none left to do."""
        raise NotImplementedError

    def run(self) -> Self:
        """All rounds that are left."""
        while self.step():
            pass
        return self

    def model(self) -> Any:
        """A model from all labels that were bought, whoever picked them."""
        return self.work.fit(np.array(self.labelled))

    def _picks(self, name: str, count: int, model: Any, mine: Sequence[int]) -> list[int]:
        """What one strategy would ask, given the rows that it counts as labelled."""
        free = np.setdiff1d(np.arange(self.pool), mine)
        if not len(free):
            return []
        strategy = get(name)
        kinds = (*strategy.needs, *strategy.optional)
        given = self.work.data(model, free, np.array(mine), kinds)
        rng = np.random.default_rng([self.seed, self.rounds, len(mine)])
        found = strategy(
            min(count, len(free)), rng=rng, **{k: v for k, v in given.items() if k in kinds}
        )
        return [int(row) for row in free[found.indices]]

    def _buy(self, rows: Sequence[int]) -> list[int]:
        """Buy those that have no label yet."""
        known = set(self.labelled)
        new = [row for row in rows if row not in known]
        if new:
            self.work.label(np.array(new))
            self.labelled += new
        return new


class AutoPool(_Pool):
    """Strategies in branches under one budget; :class:`~querist.strategies.choosing.auto.Auto`."""

    def __init__(
        self, auto: Auto, work: Work, pool: int, start: Sequence[int], seed: int = 0
    ) -> None:
        super().__init__(work, pool, start, seed)
        self.auto = auto
        self._own = {name: list(self.labelled) for name in auto.alive}
        self._models: dict[str, Any] = {}

    def step(self) -> bool:
        """One round of every living branch."""
        if self.auto.due and not self.auto.stopped:
            self._share()
        shares = self.auto.propose()
        for share in shares:
            self._serve(share)
        self.rounds += bool(shares)
        return bool(shares)

    def _share(self) -> None:
        """All branches go on from all labels."""
        common = self.model()
        self._own = {name: list(self.labelled) for name in self.auto.alive}
        self._models = dict.fromkeys(self.auto.alive, common)
        self.auto.begin(len(self.labelled), *self.work.evaluate(common))

    def _serve(self, share: Share) -> None:
        name = share.strategy
        mine = self._own[name]
        model = self._models[name] if name in self._models else self.work.fit(np.array(mine))
        picks = self._picks(name, share.count, model, mine)
        new = self._buy(picks)
        mine += picks
        fitted = self._models[name] = self.work.fit(np.array(mine)) if picks else model
        metric, error = self.work.evaluate(fitted)
        self.auto.observe(name, len(mine), metric, paid=len(new), error=error)

    def state(self) -> dict[str, Any]:
        """Plain JSON data; models are not in it, they are fitted again."""
        return {
            "auto": self.auto.state(),
            "labelled": list(self.labelled),
            "own": {name: list(rows) for name, rows in self._own.items()},
            "rounds": self.rounds,
            "seed": self.seed,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], work: Work, pool: int) -> AutoPool:
        """Go on from a :meth:`state`."""
        made = cls(Auto.restore(state["auto"]), work, pool, state["labelled"], state["seed"])
        made._own = {name: list(rows) for name, rows in state["own"].items()}
        made.rounds = state["rounds"]
        return made


class AlblPool(_Pool):
    """A bandit over strategies; :class:`~querist.strategies.choosing.albl.Albl`.

    The strategy ``random`` may draw labelled rows too, as the bandit's reward needs.
    """

    def __init__(
        self, albl: Albl, work: Work, start: Sequence[int], *, batch: int = 1, seed: int = 0
    ) -> None:
        super().__init__(work, albl.pool, start, seed)
        if work.correct is None or RANDOM not in albl.strategies:
            raise NeedError("ALBL needs Work.correct, and 'random' among its strategies.")
        self.albl, self.batch = albl, batch
        self.paid = 0
        self._fitted: Any = None

    def step(self) -> bool:
        """Draw until a batch of labels is bought, fit, and learn from it."""
        count = min(self.batch, self.albl.queries - self.paid, self.pool - len(self.labelled))
        if count < 1:
            return False
        model = self._fitted if self._fitted is not None else self.model()
        advice = {
            name: None if name == RANDOM else self._picks(name, self.batch, model, self.labelled)
            for name in self.albl.strategies
        }
        bought = 0
        while bought < count:
            bought += len(self._buy([self.albl.draw(advice)]))
        self.paid += bought
        self.rounds += 1
        self._fitted = self.model()
        assert self.work.correct is not None
        self.albl.observe(self.work.correct(self._fitted, np.array(self.albl.drawn)))
        return True

    def state(self) -> dict[str, Any]:
        """Plain JSON data; the model is not in it, it is fitted again."""
        return {
            "albl": self.albl.state(),
            "labelled": list(self.labelled),
            "batch": self.batch,
            "paid": self.paid,
            "rounds": self.rounds,
            "seed": self.seed,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], work: Work) -> AlblPool:
        """Go on from a :meth:`state`."""
        albl = Albl.restore(state["albl"])
        made = cls(albl, work, state["labelled"], batch=state["batch"], seed=state["seed"])
        made.paid, made.rounds = state["paid"], state["rounds"]
        return made
