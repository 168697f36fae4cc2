"""The one contract of all searches, and their short names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from querist.campaign.extras import missing_extra
from querist.campaign.nearest import suggest
from querist.core.errors import ConfigError, ContractError, QueristError
from querist.core.tasks import resolve
from querist.tuning.space import Values
from querist.tuning.trial import CANDIDATES, FIDELITY, SEVERAL, SUMS, Problem, Trial

SEARCHES: dict[str, str] = {
    "gp": "querist.tuning.searches.fidelity:gp_search",
    "random": "querist.tuning.searches.random:RandomSearch",
    "sobol": "querist.tuning.searches.sobol:SobolSearch",
    "grid": "querist.tuning.searches.grid:GridSearch",
    "botorch": "querist.tuning.searches.botorch:BoTorchSearch",
    "optuna": "querist.tuning.searches.optuna:OptunaSearch",
    "gest": "querist.tuning.searches.gest:GestSearch",
    "ask_tell": "querist.tuning.searches.ask_tell:AskTellSearch",
    "d_optimal": "querist.tuning.searches.d_optimal:DOptimalSearch",
    "discriminate": "querist.tuning.searches.discriminate:DiscriminatingSearch",
}
HOSTS = frozenset({"gest", "ask_tell"})  # their options name foreign code
ERRORS = frozenset({"gp", "botorch"})  # these learn from standard errors that are told
ALL = frozenset({CANDIDATES, SEVERAL, FIDELITY})
REFUSED = {
    "optuna": ALL,
    "gest": ALL | {SUMS},
    "ask_tell": ALL,
    "botorch": frozenset({FIDELITY}),
    "d_optimal": frozenset({FIDELITY}),
    "discriminate": frozenset({FIDELITY, SEVERAL}),
}


def _refused(name: str) -> frozenset[str]:
    """What a search cannot do."""
    return REFUSED.get(name, frozenset())


def _check_able(use: str, problem: Problem) -> None:
    unable = sorted(problem.needs & _refused(use))
    if unable:
        able = ", ".join(name for name in SEARCHES if not problem.needs & _refused(name))
        raise ConfigError(f"search: {use} cannot do {' and '.join(unable)}; these can: {able}.")


@runtime_checkable
class Search(Protocol):
    """Proposes settings. Made with a :class:`Problem` and its options; lives in one process.

    After a crash it is made anew and told all that is known; it need not propose the same again.
    One with a true attribute ``knows_its_end`` asks for nothing only where nothing is left to try;
    in place of any other that asks for nothing while nobody works, a point is drawn at random.
    """

    def ask(self, count: int, pending: Sequence[Values]) -> Sequence[Mapping[str, Any]]:
        """At most ``count`` points to try; none where nothing is left to try.

        Args:
            count: How many are wanted, at least one.
            pending: Points that are being tried and whose results are not known yet.
        """

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results, each once: of what was asked for, and of what was known before.

        A trial that lacks a wanted output is a failure already (``trial.failure``).
        """


def make_search(use: Any, problem: Problem, options: Mapping[str, Any] | None = None) -> Search:
    """A search by short name, by import path, or as it is.

    Args:
        use: Of ``SEARCHES``, "package.module:Name" of a class that takes a problem, or an object: a
            search, a generator of the gest-api standard (``suggest`` and ``ingest``), or an
            optimiser over the unit cube (``ask(n)`` or ``ask()``, and ``tell(points, values)``).
        problem: What is searched.
        options: Keyword arguments of the class.

    Raises:
        ConfigError: If there is no such search or it has no such option.
        ContractError: If it has no ``ask`` or no ``tell``.
    """
    if not isinstance(use, str):
        made = _adapted(use, problem)
    else:
        target = _target(use, problem)
        try:
            made = resolve(target)(problem, **(options or {}))
        except QueristError:
            raise
        except TypeError as error:
            raise ConfigError(f"search: {target} refused its options: {error}.") from error
    lacking = [name for name in ("ask", "tell") if not callable(getattr(made, name, None))]
    if lacking:
        raise ContractError(f"{made!r} is no search: it has no {' and no '.join(lacking)}.")
    found: Search = made
    return found


def check_search(use: str, problem: Problem, options: Mapping[str, Any]) -> None:
    """Raise ConfigError where one of Querist's searches could not be made.

    It is tried here, before a worker does; foreign code is first opened there.
    """
    target = _target(use, problem)
    if lacking := missing_extra(target, f"the search {use!r}"):
        raise ConfigError(lacking)
    if use in HOSTS:
        try:
            inspect.signature(resolve(target)).bind(problem, **options)
        except TypeError as error:
            raise ConfigError(f"search: {target} refused its options: {error}.") from error
    elif ":" not in use:
        make_search(use, problem, options)


def _target(use: str, problem: Problem) -> str:
    """The import path of a search that can do what the problem wants."""
    _check_able(use, problem)
    target = use if ":" in use else SEARCHES.get(use)
    if target is None:
        raise ConfigError(
            f"search: {use!r} is none of {', '.join(SEARCHES)}, nor 'package.module:Name'."
            f"{suggest(use, SEARCHES)}"
        )
    return target


def said_of(use: Any, problem: Problem, options: Mapping[str, Any], trials: Sequence[Trial]) -> str:
    """What a search by name says of all results, where it looks for no optimum; "" for others."""
    if not isinstance(use, str):
        return ""
    try:
        kind = resolve(SEARCHES.get(use, use)) if ":" in SEARCHES.get(use, use) else None
        if not hasattr(kind, "said"):
            return ""
        made: Any = make_search(use, problem, options)
        made.tell(trials)
        return str(made.said())
    except QueristError:  # what it is made with may not be importable here
        return ""


def _adapted(made: Any, problem: Problem) -> Any:
    """A live object as a search; what is neither of the kinds that are known, as it is."""
    if hasattr(made, "suggest") and hasattr(made, "ingest"):
        return resolve(SEARCHES["gest"])(problem, made)
    ask = getattr(made, "ask", None)
    if isinstance(made, type) or not callable(ask):
        return made
    try:
        inspect.signature(ask).bind(1, [])  # a search takes a count and what is pending
    except TypeError:
        return resolve(SEARCHES["ask_tell"])(problem, made)
    except ValueError:  # built-ins may have no signature
        pass
    return made
