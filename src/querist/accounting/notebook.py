"""What campaigns, runs and selections look like in a notebook: plain HTML, everything escaped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from querist.accounting.progress import ProgressState, render_plain
from querist.accounting.report_html import Html, escape, tag
from querist.accounting.units import count, duration, percent, quantity

_CARD = "border:1px solid #8888;border-radius:8px;padding:0.6em 0.9em;max-width:60em"
_BAR = "height:0.5em;border-radius:4px;background:#8883;overflow:hidden;margin:0.4em 0"


def display() -> Any | None:
    """``IPython.display`` where a notebook runs this, else None. Imports nothing by itself."""
    shell = sys.modules.get("IPython")
    here = None if shell is None else shell.get_ipython()
    return sys.modules.get("IPython.display") if getattr(here, "kernel", None) else None


def card(title: Any, *parts: Any) -> Html:
    """A frame with a title."""
    return tag("div", tag("b", title), *parts, style=_CARD)


def facts(rows: Iterable[tuple[str, Any]]) -> Html:
    """Names and values."""
    cells = [
        tag("tr", tag("td", name, style="text-align:left"), _cell(value)) for name, value in rows
    ]
    return tag("table", tag("tbody", *cells))


def _cell(value: Any) -> Html:
    return tag("td", value, style="text-align:left;overflow-wrap:anywhere")


def grid(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Html:
    """A table."""
    names = tag("tr", *[tag("th", name, style="text-align:left") for name in head])
    body = [tag("tr", *map(_cell, row)) for row in rows]
    return tag("table", tag("thead", names), tag("tbody", *body))


def framed(page: str, height: str = "34em") -> Html:
    """A whole HTML page within a cell, where nothing of it can reach the notebook."""
    style = f"width:100%;height:{height};border:1px solid #8888;border-radius:8px"
    return tag("iframe", srcdoc=page, sandbox="", style=style, title="Report of a run")


class LiveCard:
    """A run while it goes on; shown once, and drawn anew as it goes.

    Args:
        state: What is shown.
    """

    def __init__(self, state: ProgressState) -> None:
        self._state = state

    def __repr__(self) -> str:
        return render_plain(self._state)

    def _repr_html_(self) -> str:
        state = self._state
        limit = state.label_limit
        share = None if not limit else min(1.0, state.labels / limit)
        done = "" if share is None else f"width:{100 * share:.1f}%;height:100%;background:#2f6bd0"
        bar = "" if share is None else tag("div", tag("div", style=done), style=_BAR)
        busy = sum(1 for one in state.workers.values() if one.kind and not one.lost)
        error = "–" if state.error is None else f"{quantity(state.error)} {state.unit}".strip()
        rows = [
            ("labels", f"{count(state.labels)}" + (f" of {count(limit)}" if limit else "")),
            ("done", "–" if share is None else percent(share)),
            ("failures", count(state.failures)),
            (state.metric or "error", error),
            ("model", f"version {state.version}" if state.version else "none yet"),
            ("busy workers", f"{busy} of {len(state.workers)}"),
            ("time", duration(state.now)),
        ]
        why = f": {state.reason}" if state.reason else ""
        return card(f"{state.status or 'starting'}{why}", bar, facts(rows))


def cut(rows: Sequence[Any], most: int) -> tuple[Sequence[Any], Html]:
    """The first rows, and how many more there are."""
    more = len(rows) - most
    return rows[:most], tag("p", f"and {more:,} more") if more > 0 else escape("")
