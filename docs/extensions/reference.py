"""What the reference needs beside autodoc: query strategies, and signatures that can be read."""

from __future__ import annotations

import inspect
import re
from itertools import groupby
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.util.docutils import SphinxDirective

from querist.strategies.contract import Strategy
from querist.strategies.modifying import Modifier
from querist.strategies.registry import modifiers, strategies

# NumPy's alias as Python spells it out, with and without the marks of short names.
ARRAY = re.compile(
    r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], "
    r"~?(?:numpy\.)?dtype\[([^\[\]]+)\]\]"
)


def described(one: Strategy | Modifier) -> list[str]:
    """One of them, as reStructuredText."""
    taken = inspect.signature(one.function, eval_str=False).replace(
        return_annotation=inspect.Signature.empty
    )
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in taken.parameters.values()]
    text = inspect.getdoc(one.function) or ""
    body = str(GoogleDocstring(text)).splitlines()
    facts = {"Cost": one.cost, "From": one.paper, "Also called": ", ".join(one.aliases)}
    told = [one.use, "", *body, "", *(f":{name}: {said}" for name, said in facts.items() if said)]
    return [
        f".. describe:: {one.name}{taken.replace(parameters=plain)}",
        "",
        *(f"   {line}" if line else "" for line in told),
        "",
    ]


class Strategies(SphinxDirective):
    """``.. strategies::``; all of them under the names of their families, then the modifiers.

    Strategies are objects that hold their function, which autodoc would take for data.
    """

    has_content = False

    def run(self) -> list[nodes.Node]:
        """Make the nodes."""
        shipped = [one for one in strategies() if one.family != "own"]
        found: list[nodes.Node] = []
        for family, members in groupby(shipped, key=lambda one: one.family):
            found.append(self._section(family, list(members)))
        found.append(self._section("modifiers", modifiers()))
        return found

    def _section(self, family: str, members: list[Any]) -> nodes.Node:
        title = family.replace("_", " ").capitalize()
        section = nodes.section(ids=[nodes.make_id(title)])
        section += nodes.title(text=title)
        lines = [line for one in members for line in described(one)]
        self.state.nested_parse(StringList(lines, source=family), 0, section)
        return section


def shorter(*event: Any) -> tuple[str | None, str | None]:
    """A signature as it stands in the source, as far as it matters to who calls."""
    _, _, _, described, _, signature, returned = event
    if getattr(described, "_is_protocol", False):  # nobody makes one
        return "", None
    return _short(signature), _short(returned)


SHORTER = (
    (ARRAY, r"NDArray[\1]"),
    (re.compile(r"<factory>"), "..."),
    (re.compile(r"<function (\w+)[^>]*>"), r"\1"),  # a default
)


def _short(text: str | None) -> str | None:
    for pattern, plain in SHORTER if text else ():
        text = pattern.sub(plain, text or "")
    return text


def whole(*event: Any) -> None:
    """Keep Napoleon from taking a property's words before a colon for its type."""
    _, what, _, _, _, lines = event
    if what == "property":
        lines.insert(0, "")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("strategies", Strategies)
    app.connect("autodoc-process-signature", shorter)
    app.connect("autodoc-process-docstring", whole, priority=100)  # before Napoleon
    return {"parallel_read_safe": True}
