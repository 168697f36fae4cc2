"""Building blocks of the report's page. Every string is escaped unless it is :class:`Html`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from querist.accounting.units import NONE, percent

# No script and no request to anywhere can come of whatever stands in a journal.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(value: Any) -> Html:
    """Markup that shows this value as it is."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def join(parts: Iterable[Any], separator: str = "") -> Html:
    """The parts one after the other."""
    return Html(escape(separator).join(escape(part) for part in parts))


def tag(name: str, *children: Any, **attributes: Any) -> Html:
    """An element. Attributes: "class_" is class, "aria_label" is aria-label; None is left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{told}>{join(children)}</{name}>")


def table(
    head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str, align: str = ""
) -> Html:
    """A table that scrolls sideways where it is too wide.

    Args:
        head: Column names.
        rows: One sequence of cells a row.
        caption: Read out by screen readers; not shown.
        align: One letter a column, "l" for text and "n" for numbers; by default the first column
            is text and the others are numbers.
    """
    classes = ["n" if letter == "n" else None for letter in align or "l" + "n" * (len(head) - 1)]
    names = [tag("th", n, scope="col", class_=c) for n, c in zip(head, classes, strict=True)]
    body = [
        tag("tr", *[tag("td", cell, class_=c) for cell, c in zip(row, classes, strict=True)])
        for row in rows
    ]
    inner = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", tag("tr", *names)),
        tag("tbody", *body),
    )
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def tile(name: str, value: str, note: str = "") -> Html:
    """One headline number."""
    return tag(
        "div",
        tag("dt", name),
        tag("dd", value, class_="value"),
        tag("dd", note, class_="note") if note else "",
        class_="tile",
    )


def bars(counts: Mapping[str, float], caption: str) -> Html:
    """Horizontal bars with their numbers and shares, largest first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    if not total:
        return nothing(f"{caption}: none.")
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", f"{value:,.0f}", class_="n"),
            tag("td", percent(value / total), class_="n"),
            tag("td", _bar(value / ordered[0][1]), class_="bar", aria_hidden="true"),
        )
        for name, value in ordered
    ]
    return tag("table", tag("caption", caption), tag("tbody", *rows), class_="bars")


def _bar(share: float) -> Html:
    return tag("span", style=f"width:{100 * share:.1f}%")


def figure(drawing: str, caption: str, class_: str = "") -> Html:
    """A drawing with its caption; nothing where there is no drawing."""
    if not drawing:
        return Html("")
    return tag("figure", Html(drawing), tag("figcaption", caption), class_=class_ or None)


def details(summary: Any, *body: Any) -> Html:
    """What unfolds at a click."""
    return tag("details", tag("summary", summary), *body)


def nothing(sentence: str) -> Html:
    """Says what there is not."""
    return tag("p", sentence, class_="none")


def facts(pairs: Mapping[str, Any]) -> Html:
    """A list of names and values; empty ones are left out."""
    items = [
        join([tag("dt", name), tag("dd", value)])
        for name, value in pairs.items()
        if value not in (None, "", NONE)
    ]
    return tag("dl", *items, class_="facts") if items else Html("")


def section(title: str, anchor: str, *body: Any) -> Html:
    """A part of the page."""
    return tag("section", tag("h2", title, id=f"{anchor}-h"), *body, id=anchor,
               aria_labelledby=f"{anchor}-h")  # fmt: skip


def page(title: str, style: str, *body: Any) -> Html:
    """The whole document."""
    head = [
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Html('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        tag("style", Html(style)),
    ]
    document = tag("html", tag("head", *head), tag("body", *body), lang="en")
    return Html(f"<!doctype html>\n{document}\n")
