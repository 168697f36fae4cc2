"""What a strategy is, and what it gives back.

A strategy is a plain function. The names of its parameters say what it needs: a name in
:data:`querist.strategies.needs.NEEDS` is data (optional where it has a default), ``budget`` and
``rng`` are what they say, and any other parameter is an option and has a default.

- :func:`pointwise`: a score for each row, from that row alone. Blocks of rows come in as float64
  arrays (NumPy, or torch on their device), scores go out, and the highest are picked.
- :func:`batchwise`: everything else. :class:`~querist.strategies.rows.Rows` come in, to be read
  in blocks as often as needed; indices in order of preference and their scores go out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import RoleFailed
from querist.core.tasks import resolve
from querist.strategies.arrays import Array, beside, columns, host
from querist.strategies.checks import generator, whole_budget, within
from querist.strategies.errors import NeedError, StrategyError
from querist.strategies.needs import NEEDS, Belongs
from querist.strategies.ranking import Best, tie_seed
from querist.strategies.rows import Rows, rows_of, same_length, together

Extras = Mapping[str, NDArray[Any]]
Picks = (
    tuple[NDArray[np.int64], NDArray[np.float64]]
    | tuple[NDArray[np.int64], NDArray[np.float64], Extras]
)
"""Indices in order of preference, and a score for each; what a batchwise function returns.

Third may come arrays by name that the method gives beside its picks.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What was picked.

    Attributes:
        indices: ``(b,)`` int64, rows of the pool, in order of preference, each once.
        scores: ``(b,)`` float64. What they mean is the strategy's: an uncertainty, a distance from
            what was picked before, a gain. Of greedy and random methods they need not fall.
        strategy: The name of the strategy.
        pool: How many rows there were.
        extras: What the strategy gives beside its picks, by name; of most nothing.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    strategy: str
    pool: int
    extras: Extras = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.indices.setflags(write=False)
        self.scores.setflags(write=False)

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True, slots=True, eq=False)
class Strategy:
    """A query strategy: a function with what is known of it. Call it like the function.

    Attributes:
        name: Its standard name, as in ``querist.select("k-center", ...)``.
        function: Computes scores of a block, or picks.
        pointwise: Whether it scores each row by itself.
        paper: Where it is from, with equation or algorithm.
        cost: Time and memory beside the data, in n, d, C, T and the budget b.
        use: When to use it, and when not.
        family: The folder of built-in ones, "own" of others.
        aliases: Other names that it goes by.
    """

    name: str
    function: Callable[..., Any]
    pointwise: bool
    paper: str
    cost: str
    use: str
    family: str = "own"
    aliases: tuple[str, ...] = ()
    _parameters: Mapping[str, inspect.Parameter] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = inspect.signature(self.function, eval_str=False).parameters
        object.__setattr__(self, "_parameters", found)
        for name, parameter in found.items():
            known = name in NEEDS or name in ("budget", "rng")
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or (
                not known and parameter.default is parameter.empty
            ):
                raise NeedError(
                    f"the strategy {self.name!r} has a parameter {name!r} that is no kind of data "
                    f"and has no default. Kinds of data: {', '.join(NEEDS)}."
                )
        if not any(NEEDS[name].belongs is Belongs.POOL for name in (*self.needs, *self.optional)):
            raise NeedError(f"the strategy {self.name!r} takes no data of the pool.")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Pickled by name: the name of its function is that of the strategy, made of it."""
        if self.family != "own":
            return _by_name, (self.name,)
        module = self.function.__module__
        with suppress(RoleFailed):
            place = f"{module}:{self.function.__qualname__}"
            if module != "__main__" and resolve(place) is self:  # a worker has another __main__
                return resolve, (place,)
        held = (one.name for one in fields(self) if one.init)
        return type(self), tuple(getattr(self, name) for name in held)

    @property
    def needs(self) -> tuple[str, ...]:
        """Data without which it cannot work."""
        return tuple(
            name
            for name, parameter in self._parameters.items()
            if name in NEEDS and parameter.default is parameter.empty
        )

    @property
    def optional(self) -> tuple[str, ...]:
        """Data that it uses where they are given."""
        return tuple(
            name
            for name, parameter in self._parameters.items()
            if name in NEEDS and parameter.default is not parameter.empty
        )

    @property
    def options(self) -> dict[str, Any]:
        """Options and their defaults."""
        taken = (*NEEDS, "budget", "rng")
        return {
            name: parameter.default
            for name, parameter in self._parameters.items()
            if name not in taken
        }

    @property
    def random(self) -> bool:
        """Whether it must draw; a parameter ``rng`` with a default may."""
        rng = self._parameters.get("rng")
        return rng is not None and rng.default is rng.empty

    def __call__(
        self, budget: int, *, rng: np.random.Generator | int | None = None, **given: Any
    ) -> Selection:
        """Pick ``budget`` rows.

        Args:
            budget: How many, from 1 to the size of the pool.
            rng: A generator or a seed. Methods that draw need one. To the others it matters for
                ties only: without it the lower index goes first, with it their order is random.
            **given: Data by the names of ``needs`` and ``optional``, and options.

        Raises:
            BudgetError: If the budget cannot be.
            NeedError: If something is missing or unknown.
            BadRows: If rows are NaN, infinite, or no probabilities; it names them.
            ShapeError: If an array has the wrong shape.
        """
        count = whole_budget(budget)
        data, options = self._sorted(given)
        if self.random or rng is not None:
            rng = generator(rng, self.name)
        if self.pointwise:
            picks, pool = self._ranked(count, data, options, rng)
        else:
            picks, pool = self._picked(count, data, options, rng)
        return _selection(self.name, picks, count, pool)

    def scores(self, **given: Any) -> NDArray[np.float64]:
        """``(n,)`` score of every row, the highest to be asked first; of pointwise methods only.

        Raises:
            NeedError: If the method does not score rows by themselves, or lacks data.
            BadRows: If rows are unusable.
        """
        if not self.pointwise:
            raise NeedError(f"{self.name} picks rows together; it has no score of a row by itself.")
        data, options = self._sorted(given)
        parts = [host(scores) for _, scores in self._stream(data, options)]
        return np.concatenate([np.zeros(0), *parts])

    def _sorted(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Data as rows (or as they are), and options."""
        given = {
            name: value for name, value in given.items() if value is not None or name not in NEEDS
        }
        missing = [name for name in self.needs if name not in given]
        if missing:
            raise NeedError(f"{self.name} needs {_described(missing)}; give it by name.")
        known = {*self.needs, *self.optional, *self.options}
        unknown = [name for name in given if name not in known]
        if unknown:
            raise NeedError(
                f"{self.name} takes no {', '.join(unknown)}; it takes: {', '.join(sorted(known))}."
            )
        data = {name: _data(name, value) for name, value in given.items() if name in NEEDS}
        return data, {name: value for name, value in given.items() if name not in NEEDS}

    def _stream(
        self, data: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Iterator[tuple[int, Array]]:
        """Scores by block."""
        pool = {name: rows for name, rows in data.items() if NEEDS[name].belongs is Belongs.POOL}
        fixed = {
            name: columns(value.whole()) if isinstance(value, Rows) else value
            for name, value in data.items()
            if name not in pool
        }
        for start, blocks in together(list(pool.values())):
            named = dict(zip(pool, map(columns, blocks), strict=True))
            held = {
                name: beside(value, blocks[0]) if isinstance(value, np.ndarray) else value
                for name, value in fixed.items()
            }
            yield start, self.function(**named, **held, **options)

    def _ranked(
        self,
        count: int,
        data: Mapping[str, Any],
        options: Mapping[str, Any],
        rng: np.random.Generator | None,
    ) -> tuple[Picks, int]:
        best = Best(count, tie_seed(rng))
        for start, scores in self._stream(data, options):
            best.add(start, scores)
        within(count, best.seen)
        return best.result(), best.seen

    def _picked(
        self,
        count: int,
        data: Mapping[str, Any],
        options: Mapping[str, Any],
        rng: np.random.Generator | None,
    ) -> tuple[Picks, int]:
        rows = [data[name] for name in data if NEEDS[name].belongs is Belongs.POOL]
        same_length(rows)
        within(count, len(rows[0]))
        drawing = {"rng": rng} if "rng" in self._parameters else {}
        return self.function(**data, **options, **drawing, budget=count), len(rows[0])


def _by_name(name: str) -> Strategy:
    # By its path: the registry is made of strategies, so this module cannot import it.
    found: Strategy = resolve("querist.strategies.registry:get")(name)
    return found


def _data(name: str, value: Any) -> Any:
    need = NEEDS[name]
    return value if need.belongs is Belongs.OBJECT else rows_of(name, need, value)


def _described(names: list[str]) -> str:
    return " and ".join(f"{name} {NEEDS[name].shape}: {NEEDS[name].meaning}" for name in names)


def _selection(name: str, picks: Picks, count: int, pool: int) -> Selection:
    first, second, *rest = picks
    indices, scores = np.array(first, np.int64), np.array(second, float)
    if indices.shape != (count,) or scores.shape != (count,) or len(np.unique(indices)) != count:
        raise StrategyError(
            f"the strategy {name!r} must pick {count} different rows and score each, but it gave "
            f"{len(np.unique(indices))} different rows and {scores.size} scores."
        )
    extras = {key: np.asarray(value) for part in rest for key, value in dict(part).items()}
    return Selection(indices, scores, name, pool, extras)


def _made(function: Callable[..., Any], pointwise: bool, about: Mapping[str, Any]) -> Strategy:
    module = function.__module__.split(".")
    builtin = module[:2] == ["querist", "strategies"] and len(module) > 3
    name = about.get("name") or function.__name__.replace("_", "-")
    family = module[2] if builtin else "own"
    kept = {key: value for key, value in about.items() if key != "name"}
    return Strategy(name, function, pointwise, family=family, **kept)


def pointwise(
    *, paper: str, cost: str, use: str, name: str = "", aliases: tuple[str, ...] = ()
) -> Callable[[Callable[..., Array]], Strategy]:
    """Make a strategy of a function from blocks of rows to ``(rows,)`` scores.

    The name is the function's, with hyphens, unless given.
    """
    about = {"paper": paper, "cost": cost, "use": use, "name": name, "aliases": aliases}
    return lambda function: _made(function, True, about)


def batchwise(
    *, paper: str, cost: str, use: str, name: str = "", aliases: tuple[str, ...] = ()
) -> Callable[[Callable[..., Picks]], Strategy]:
    """Make a strategy of a function from :class:`Rows` and a budget to picks.

    The name is the function's, with hyphens, unless given.
    """
    about = {"paper": paper, "cost": cost, "use": use, "name": name, "aliases": aliases}
    return lambda function: _made(function, False, about)
