"""Strategies as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from querist.strategies import registry
from querist.strategies.beside import BESIDE, Beside
from querist.strategies.contract import Strategy
from querist.strategies.modifying import Modifier

Listed = Strategy | Modifier | Beside


def listed() -> list[Listed]:
    """All strategies, all modifiers, and what stands beside them."""
    return [*registry.everything(), *BESIDE]


def found(name: str) -> Listed:
    """One of them by its name.

    Raises:
        UnknownStrategy: If there is none.
    """
    beside = [one for one in BESIDE if one.name == name]
    return beside[0] if beside else registry.find(name)


def as_record(strategy: Listed) -> dict[str, Any]:
    """All that is known of a strategy, as plain values."""
    return {
        "name": strategy.name,
        "family": strategy.family,
        "needs": list(strategy.needs),
        "optional": list(strategy.optional),
        "options": {name: _plain(value) for name, value in strategy.options.items()},
        "random": strategy.random,
        "pointwise": strategy.pointwise,
        "cost": strategy.cost,
        "paper": strategy.paper,
        "use": strategy.use,
        "aliases": list(strategy.aliases),
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def as_json(strategies: Sequence[Listed]) -> Iterator[str]:
    """One JSON object a strategy."""
    return (json.dumps(as_record(strategy)) for strategy in strategies)


def show(strategies: Sequence[Listed], full: bool = False) -> None:
    """Print a table, or with ``full`` everything of each."""
    from rich.console import Console

    console = Console()
    for strategy in strategies if full else ():
        console.print(_card(strategy))
    if not full:
        console.print(_table(strategies))


def _table(strategies: Sequence[Listed]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0))
    for column in ("strategy", "needs", "when to use it, cost, paper"):
        table.add_column(column, overflow="fold", no_wrap=column == "strategy")
    for one in strategies:
        about = Text(f"{one.use}\n").append(f"{one.cost}\n{one.paper}", style="dim")
        name = Text(f"{one.name}\n").append(one.family, style="dim")
        table.add_row(name, "\n".join(one.needs), about)
    return table


def _card(strategy: Listed) -> Any:
    from rich.table import Table
    from rich.text import Text

    card = Table(box=None, show_header=False, pad_edge=False)
    for name, value in as_record(strategy).items():
        text = value if isinstance(value, str) else json.dumps(value)
        card.add_row(name, Text(text))
    card.add_row("what", " ".join((strategy.function.__doc__ or "").split()))
    return card
