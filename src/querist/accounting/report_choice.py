"""How a strategy was chosen: curves with their forecasts, who was dropped and why.

Draws the plain record that ``querist.strategies.choosing.auto.Auto.record`` writes, so that it may
come from a file, a store or another process:

- ``budget``, ``paid``, ``target``, ``chosen``, ``stopped``;
- ``branches``: each with ``strategy``, ``labels``, ``metric``, ``alive``, ``start`` (the first
  measurement since labels were last shared), and ``forecast`` (``labels``, ``mean``, ``low``,
  ``high`` to the end of the budget) or None;
- ``decisions``: each with ``round``, ``paid``, ``kind`` and ``sentence``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from querist.accounting.report_html import (
    Html,
    figure,
    join,
    nothing,
    page,
    section,
    table,
    tag,
)
from querist.accounting.report_plots import SERIES, WIDE, Canvas
from querist.accounting.units import NONE, count, plural, quantity

Record = Mapping[str, Any]


def choice_html(record: Record) -> Html:
    """The part of a report that tells how the choice went.

    Args:
        record: Of a choice, as this module describes it.
    """
    if not any(branch["labels"] for branch in record["branches"]):
        return nothing("No strategy has been measured yet.")
    caption = (
        "Measured by branch (lines), and forecast from there with all that is left of the budget, "
        "with 95 % of the doubt (pale). Small points: before the branches last shared their labels."
    )
    parts = [tag("p", _intro(record)), figure(forecasts(record), caption, "wide")]
    return join([*parts, _branches(record), tag("h3", "Decisions"), _decisions(record)])


def choice_page(record: Record, title: str = "Choice of a strategy") -> str:
    """As :func:`choice_html`, a page of its own."""
    style = files("querist.accounting").joinpath("report_style.css").read_text("utf-8")
    head = tag("header", tag("div", tag("h1", title), class_="top"))
    return page(title, style, head, tag("main", section("Choice", "choice", choice_html(record))))


def _intro(record: Record) -> str:
    spent = f"{count(record['paid'])} of {plural(record['budget'], 'label')} bought."
    target = record["target"]
    wanted = "" if target is None else f" The target is {target:g}."
    chosen = record["chosen"]
    return f"{chosen or 'No strategy yet'} is chosen. {spent}{wanted}"


def forecasts(record: Record) -> str:
    """Measured curves and forecasts, as an ``<svg>`` element; "" where nothing was measured."""
    measured = [branch for branch in record["branches"] if branch["labels"]]
    if not measured:
        return ""
    canvas = Canvas("choice", "Metric of each branch against its labels", WIDE, 3.4)
    with canvas as axes:
        for index, branch in enumerate(measured):
            _draw(axes, branch, SERIES[index % len(SERIES)], index // len(SERIES))
        if record["target"] is not None:
            axes.axhline(record["target"], ls=":", lw=1, color="grey", label="target")
        axes.set_xlabel("labels that the branch's model learned from")
        axes.set_ylabel("metric on the hold-out")
        axes.legend(ncols=4, loc="lower right")
    return canvas.svg()


def _draw(axes: Any, branch: Record, colour: str, turn: int) -> None:
    start, labels, metric = branch["start"], branch["labels"], branch["metric"]
    style = ("-", "--", ":")[turn % 3]
    name = branch["strategy"] + ("" if branch["alive"] else " (dropped)")
    axes.plot(labels[start:], metric[start:], ls=style, marker="o", color=colour, label=name)
    axes.plot(labels[:start], metric[:start], ls="", marker=".", color=colour, alpha=0.5)
    told = branch["forecast"]
    if told and branch["alive"]:
        axes.plot(told["labels"], told["mean"], ls="--", lw=1, color=colour)
        axes.fill_between(told["labels"], told["low"], told["high"], color=colour, alpha=0.12, lw=0)


def _branches(record: Record) -> Html:
    rows = []
    for branch in record["branches"]:
        told = branch["forecast"]
        end = (
            f"{quantity(told['mean'][-1])} ({quantity(told['low'][-1])} to "
            f"{quantity(told['high'][-1])}) at {count(round(told['labels'][-1]))}"
            if told and branch["alive"]
            else NONE
        )
        last = (branch["labels"] or [None])[-1], (branch["metric"] or [None])[-1]
        state = "in the race" if branch["alive"] else "dropped"
        state = "chosen" if branch["strategy"] == record["chosen"] else state
        rows.append((branch["strategy"], state, count(last[0]), quantity(last[1]), end))
    head = ("Strategy", "State", "Labels", "Metric", "Forecast at the end of the budget")
    return table(head, rows, "Branches", "llnnl")


def _decisions(record: Record) -> Html:
    if not record["decisions"]:
        return nothing("Nothing has been decided yet.")
    rows = [
        (count(one["round"]), count(one["paid"]), one["sentence"]) for one in record["decisions"]
    ]
    return table(("Round", "Labels paid", "Decision"), rows, "Decisions", "nnl")
