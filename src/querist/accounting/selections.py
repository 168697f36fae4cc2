"""What query strategies did in a run: a fold of its selections, and its part of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from querist.accounting.facts import FactLike, named, several, span, text, whole
from querist.accounting.report_choice import choice_html
from querist.accounting.report_html import Html, join, table, tag
from querist.accounting.units import count, percent, plural, quantity


class SelectionFold:
    """Folds selections, and which strategy chose the questions."""

    def __init__(self) -> None:
        self._made = self._candidates = 0
        self._seconds = 0.0
        self._strategy = ""
        self._by: Counter[str] = Counter()
        self._otherwise = 0
        self._record: Mapping[str, Any] = {}

    def selected(self, fact: FactLike) -> None:
        """A strategy put candidates in order."""
        self._made += 1
        self._strategy = text(fact.data, "strategy")
        self._candidates += whole(fact.data, "candidates")
        times = span(fact.data.get("spans"))
        self._seconds += 0.0 if times is None else times[1] - times[0]
        record = named(named(fact.data, "choice"), "record")
        self._record = record or self._record

    def asked(self, fact: FactLike) -> None:
        """A question was asked: as a strategy chose, or because none had chosen in time."""
        if "selection" in fact.data:
            self._by[text(fact.data, "why", "?")] += 1
        elif self._made and text(fact.data, "why") == "uncertain":
            self._otherwise += 1

    def build(self) -> dict[str, Any]:
        """The section ``selection`` of a summary."""
        return {
            "strategy": self._strategy,
            "made": self._made,
            "candidates": self._candidates / self._made if self._made else None,
            "seconds": self._seconds,
            "by_strategy": dict(self._by.most_common()),
            "not_in_time": self._otherwise,
            "choice": dict(self._record),
        }


def selection_html(found: Mapping[str, Any]) -> Html:
    """How the strategy did, and how it was chosen where there were several."""
    asked = sum(found["by_strategy"].values())
    each = found["seconds"] / found["made"]
    late = found["not_in_time"]
    rest = f", {count(late)} by uncertainty because it had not chosen in time" if late else ""
    parts = [
        tag(
            "p",
            f"{found['strategy']}: {plural(found['made'], 'selection')} of "
            f"{count(round(found['candidates'] or 0))} candidates on average, "
            f"{quantity(each, 's')} each; {plural(asked, 'question')} asked as it chose{rest}.",
        )
    ]
    if len(found["by_strategy"]) > 1:
        rows = [(name, count(n), percent(n / asked)) for name, n in found["by_strategy"].items()]
        parts.append(table(("Strategy", "Questions", "Share"), rows, "Who chose", "lnn"))
    choice = found["choice"]
    if choice.get("kind") == "auto":
        parts += [tag("h3", "Choice of a strategy"), choice_html(choice)]
    elif choice.get("kind") == "albl" and several(choice, "history"):
        parts += [tag("h3", "Choice of a strategy"), _bandit(choice)]
    return join(parts)


def _bandit(choice: Mapping[str, Any]) -> Html:
    history = choice["history"]
    shown = history[:: max(1, len(history) // 12)]
    rows = [
        (count(one["draws"]), quantity(one["reward"]),
         *(percent(one["probabilities"][name]) for name in choice["strategies"]))
        for one in shown
    ]  # fmt: skip
    head = ("Draws", "Estimated accuracy", *choice["strategies"])
    return table(head, rows, "How likely each is followed", "nn" + "n" * len(choice["strategies"]))
