"""Modifiers: what turns a strategy into another, such as ``cost-aware(margin)``.

A modifier is a plain function like a batchwise strategy, but its first parameter is the
:class:`Base` that it wraps, with the base's data bound to it. What it makes is a
:class:`~querist.strategies.contract.Strategy` like any other: it needs what the base needs and
what its own parameters say, so modifiers wrap modifiers too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError
from querist.strategies.contract import Picks, Selection, Strategy
from querist.strategies.errors import NeedError
from querist.strategies.needs import NEEDS, Belongs
from querist.strategies.rows import Rows, rows_of

Vector = NDArray[np.float64]
Scoring = Callable[..., Vector]
POOL_NUMBERS = 1 << 22


class Base:
    """The strategy inside a modifier, with its data.

    Attributes:
        strategy: What is wrapped.
        data: Its data by name, options of its own included.
    """

    def __init__(
        self, strategy: Strategy, data: Mapping[str, Any], rng: np.random.Generator | None
    ) -> None:
        self.strategy, self.data, self._rng = strategy, dict(data), rng

    @property
    def pool(self) -> dict[str, Rows]:
        """Data with a row an item."""
        return {n: v for n, v in self.data.items() if NEEDS[n].belongs is Belongs.POOL}

    @property
    def count(self) -> int:
        """Items of the pool."""
        return len(next(iter(self.pool.values())))

    @property
    def scores_rows(self) -> bool:
        """Whether the strategy has a score of each row by itself."""
        return self.strategy.pointwise or hasattr(self.strategy.function, "scores")

    def pick(self, budget: int) -> Selection:
        """What the strategy picks of the whole pool."""
        return self.strategy(budget, rng=self._rng, **self.data)

    def pick_of(self, indices: NDArray[np.int64], budget: int) -> Selection:
        """What it picks of some rows, with indices of the pool."""
        found = self.strategy(budget, rng=self._rng, **{**self.data, **self._only(indices)})
        return replace(found, indices=indices[found.indices], pool=self.count)

    def _only(self, indices: NDArray[np.int64]) -> dict[str, Rows]:
        """The pool's data at some indices, gathered at once where that is little."""
        found = {}
        for name, rows in self.pool.items():
            numbers = len(indices) * int(np.prod(rows.shape[1:]))
            small = numbers <= POOL_NUMBERS and not rows.in_memory
            gathered = rows_of(name, rows.need, rows.take(indices)) if small else None
            found[name] = gathered or rows.subset(indices)
        return found

    def scores(self) -> Vector:
        """``(n,)`` score of every row.

        Raises:
            NeedError: If the strategy picks rows together.
        """
        if self.strategy.pointwise:
            return self.strategy.scores(**self.data)
        if not self.scores_rows:
            raise NeedError(
                f"{self.strategy.name} picks rows together and has no score of a row by itself, "
                "which this modifier needs; wrap one that has, such as margin or bald."
            )
        return self.strategy.function.scores(self._rng, **self.data)  # type: ignore[attr-defined,no-any-return]

    def gains(self) -> Vector:
        """``(n,)`` scores from zero on: raised by the pool's lowest where that is negative."""
        scores = self.scores()
        return scores - min(0.0, float(scores.min(initial=0.0)))


@dataclass(frozen=True, slots=True, eq=False)
class Modifier:
    """A modifier: a function with what is known of it. Call it with a strategy.

    Attributes:
        name: Its standard name, as in ``"cost-aware(margin)"``.
        function: ``(base, data..., *, budget, rng, options...) -> Picks``.
        paper: Where it is from.
        cost: Time and memory beside those of what it wraps.
        use: When to use it.
        scores: ``(base, data..., options...) -> (n,)`` scores, where rows can be scored.
        names: Options that are names of strategies, by what they wrap besides the base.
    """

    name: str
    function: Callable[..., Picks]
    paper: str
    cost: str
    use: str
    scores: Scoring | None = None
    family: str = "modifier"
    pointwise: bool = False
    aliases: tuple[str, ...] = ()
    _parameters: Mapping[str, inspect.Parameter] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = dict(inspect.signature(self.function).parameters)
        found.pop(next(iter(found)))
        object.__setattr__(self, "_parameters", found)

    @property
    def needs(self) -> tuple[str, ...]:
        """Data that it needs beside what the base needs."""
        return tuple(n for n, p in self._parameters.items() if n in NEEDS and p.default is p.empty)

    @property
    def optional(self) -> tuple[str, ...]:
        """Data that it uses where they are given."""
        return tuple(
            n for n, p in self._parameters.items() if n in NEEDS and p.default is not p.empty
        )

    @property
    def options(self) -> dict[str, Any]:
        """Options and their defaults."""
        taken = (*NEEDS, "budget", "rng", "others")
        return {n: p.default for n, p in self._parameters.items() if n not in taken}

    @property
    def random(self) -> bool:
        """Whether it must draw."""
        rng = self._parameters.get("rng")
        return rng is not None and rng.default is rng.empty

    def __call__(self, base: Strategy, others: Sequence[Strategy] = (), **options: Any) -> Strategy:
        """The modified strategy.

        Args:
            base: What to wrap.
            others: Strategies that it may use besides, where it takes any.
            **options: Values of its options, which become the defaults.

        Raises:
            ConfigError: If there is no such option.
        """
        _refuse_unknown(options, self.options, self.name)
        if bool(others) != ("others" in self._parameters):
            raise ConfigError(f"{self.name} wraps {'more' if not others else 'only'} one strategy.")
        inside = [base, *others]
        text = ", ".join([one.name for one in inside] + [f"{k}={v}" for k, v in options.items()])
        run = _Modified(self, base, tuple(others), options)
        paper = f"{self.paper}. Of {base.name}: {base.paper}"
        return Strategy(f"{self.name}({text})", run, False, paper, self.cost, self.use, "modifier")


class _Modified:
    """The function of a modified strategy."""

    def __init__(
        self,
        modifier: Modifier,
        base: Strategy,
        others: tuple[Strategy, ...],
        options: Mapping[str, Any],
    ) -> None:
        self.modifier, self.base, self.others = modifier, base, others
        self.__doc__ = modifier.function.__doc__
        self.__module__, self.__qualname__ = modifier.function.__module__, modifier.name
        self.__signature__ = _signature(modifier, base, others, options)
        if modifier.scores is not None and Base(base, {}, None).scores_rows:
            self.scores = self._scores

    def __call__(
        self, *, budget: int, rng: np.random.Generator | None = None, **given: Any
    ) -> Picks:
        own = self._own(given)
        if self.others:
            own["others"] = [self._bound(one, given, rng) for one in self.others]
        if "rng" in self.modifier._parameters:
            own["rng"] = rng
        return self.modifier.function(self._bound(self.base, given, rng), **own, budget=budget)

    def _scores(self, rng: np.random.Generator | None = None, **given: Any) -> Vector:
        assert self.modifier.scores is not None
        return self.modifier.scores(self._bound(self.base, given, rng), **self._own(given))

    def _own(self, given: Mapping[str, Any]) -> dict[str, Any]:
        parameters = self.__signature__.parameters
        options = {name: parameters[name].default for name in self.modifier.options}
        names = (*self.modifier.needs, *self.modifier.optional, *options)
        return {**options, **{name: given[name] for name in names if name in given}}

    @staticmethod
    def _bound(strategy: Strategy, given: Mapping[str, Any], rng: Any) -> Base:
        names = (*strategy.needs, *strategy.optional)
        return Base(strategy, {name: given[name] for name in names if name in given}, rng)


def _signature(
    modifier: Modifier, base: Strategy, others: Sequence[Strategy], options: Mapping[str, Any]
) -> inspect.Signature:
    """What the modified strategy takes. With other strategies inside, the base may go without."""
    sure = [*modifier.needs, *(n for one in (others or [base]) for n in one.needs)]
    may = [*modifier.optional, *base.needs, *(n for one in (base, *others) for n in one.optional)]
    kind, none = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    found = {name: inspect.Parameter(name, kind) for name in sure}
    for name in may:
        found.setdefault(name, inspect.Parameter(name, kind, default=None))
    for name, default in {**modifier.options, **options}.items():
        found[name] = inspect.Parameter(name, kind, default=default)
    draws = modifier.random or any(one.random for one in (base, *others))
    found["budget"] = inspect.Parameter("budget", kind)
    found["rng"] = inspect.Parameter("rng", kind, default=none if draws else None)
    return inspect.Signature(list(found.values()))


def modifier(
    *, paper: str, cost: str, use: str, scores: Scoring | None = None
) -> Callable[[Callable[..., Picks]], Modifier]:
    """Make a modifier of a function; its name is the function's, with hyphens."""

    def make(function: Callable[..., Picks]) -> Modifier:
        name = function.__name__.replace("_", "-")
        return Modifier(name, function, paper, cost, use, scores)

    return make


def configured(strategy: Strategy, options: Mapping[str, Any]) -> Strategy:
    """A strategy with other defaults of its options, as in ``"bait(oversample=1)"``.

    Raises:
        ConfigError: If it has no such option.
    """
    _refuse_unknown(options, strategy.options, strategy.name)
    function = functools.partial(strategy.function, **options)
    functools.update_wrapper(function, strategy.function)
    found = inspect.signature(strategy.function).parameters.values()
    changed = [one.replace(default=options.get(one.name, one.default)) for one in found]
    function.__signature__ = inspect.Signature(changed)  # type: ignore[attr-defined]
    text = ", ".join(f"{key}={value}" for key, value in options.items())
    return replace(strategy, name=f"{strategy.name}({text})", function=function)


def _refuse_unknown(given: Iterable[str], known: Collection[str], who: str) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        takes = ", ".join(known) or "no options"
        raise ConfigError(f"{who} takes no {', '.join(unknown)}; it takes: {takes}.")
