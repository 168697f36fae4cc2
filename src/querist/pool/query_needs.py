"""What a strategy declares to need, as rows to scan and files to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from querist.core.errors import ConfigError
from querist.pool.query_state import CANDIDATES
from querist.strategies.contract import Strategy
from querist.strategies.needs import NEEDS, Belongs

LABELLED, TARGETS = "labelled", "targets"
TARGET_ROWS = 500
"""Candidates, drawn by the query's seed, whose predictions matter to a strategy with targets."""

_UNSCANNED = ("items", "costs")
_SCANNED_ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "labelled_embeddings": (LABELLED, "embeddings"),
    "target_member_probabilities": (TARGETS, "member_probabilities"),
}
_TOLD = ("labels", "labelled_classes")


class Needs(NamedTuple):
    """What a query computes, and of which items.

    Attributes:
        scanned: By part of the scan, what the model is to give.
        names: By the strategy's name for it, the part and what the model gives.
        told: What the pool's labels say: "labels", "labelled_classes".
        costs: Whether what an answer costs is read from the items' metadata.
    """

    scanned: Mapping[str, frozenset[str]]
    names: Mapping[str, tuple[str, str]]
    told: tuple[str, ...]
    costs: bool


def needs_of(strategy: Strategy, labelled: bool) -> Needs:
    """What a strategy needs; what it could use of labelled items as well, where there are any.

    Args:
        strategy: Which.
        labelled: Whether the pool has labels.

    Raises:
        ConfigError: If it needs what a pool cannot give.
    """
    wanted = list(strategy.needs)
    if labelled:
        wanted += [n for n in strategy.optional if n in (*_SCANNED_ELSEWHERE, *_TOLD)]
    names = {name: _place(name) for name in wanted if _is_scanned(name)}
    _refuse(strategy, wanted, labelled)
    scanned: dict[str, set[str]] = {}
    for part, given in names.values():
        scanned.setdefault(part, set()).add(given)
    return Needs(
        {part: frozenset(given) for part, given in scanned.items()},
        names,
        tuple(name for name in wanted if name in _TOLD),
        "costs" in wanted,
    )


def _is_scanned(name: str) -> bool:
    return name in _SCANNED_ELSEWHERE or (
        NEEDS[name].belongs is Belongs.POOL and name not in (*_UNSCANNED, "inputs")
    )


def _place(name: str) -> tuple[str, str]:
    return _SCANNED_ELSEWHERE.get(name, (CANDIDATES, name))


def _refuse(strategy: Strategy, wanted: list[str], labelled: bool) -> None:
    known = {*_UNSCANNED, *_TOLD, *(name for name in wanted if _is_scanned(name))}
    strange = [name for name in wanted if name not in known]
    if strange:
        raise ConfigError(
            f"the strategy {strategy.name!r} needs {', '.join(strange)}, which a query of a pool "
            "does not give; take another one of `querist strategies`."
        )
    lacking = [n for n in wanted if n in (*_TOLD, "labelled_embeddings")]
    if lacking and not labelled:
        raise ConfigError(
            f"the strategy {strategy.name!r} needs {', '.join(lacking)}, but no item of this pool "
            "has a label yet. Label some first, or take a strategy that needs no labels."
        )


def check_provided(needs: Needs, provides: frozenset[str], strategy: str) -> None:
    """Refuse a strategy whose needs a model does not give.

    Raises:
        ConfigError: If it does not give something.
    """
    wanted = frozenset[str]().union(*needs.scanned.values())
    missing = sorted(wanted - provides)
    if missing:
        raise ConfigError(
            f"the strategy {strategy!r} needs {', '.join(missing)}, but the model gives "
            f"{', '.join(sorted(provides)) or 'nothing'}. Choose a strategy that `querist "
            "strategies` lists for what the model gives, or a model that gives more."
        )
