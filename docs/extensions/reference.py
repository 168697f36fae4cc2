"""What the reference needs beside autodoc: query strategies, and signatures that can be read."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from itertools import groupby
from pkgutil import iter_modules
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from pydantic import BaseModel
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.util.docutils import SphinxDirective

from querist.service import wire
from querist.strategies.contract import Strategy
from querist.strategies.modifying import Modifier
from querist.strategies.registry import modifiers, strategies

# NumPy's alias as Python spells it out, with and without the marks of short names.
ARRAY = re.compile(
    r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], "
    r"~?(?:numpy\.)?dtype\[([^\[\]]+)\]\]"
)

CLIENT = re.compile(r"querist\.(Async)?Client\.|querist\.service\.client\.")
SEVERAL = re.compile(r"\s+\w+(, \w+)+:")
WORD = re.compile(r"(?<![\w.])[A-Z]\w+")


def described(one: Strategy | Modifier) -> list[str]:
    """One of them, as reStructuredText."""
    taken = inspect.signature(one.function, eval_str=False).replace(
        return_annotation=inspect.Signature.empty
    )
    plain = [_bare(one) for one in taken.parameters.values()]
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
    _, _, name, described, _, signature, returned = event
    if getattr(described, "_is_protocol", False):  # nobody makes one
        return "", None
    if isinstance(described, type) and issubclass(described, BaseModel):
        return _names_and_defaults(described), None
    known = _wire() if CLIENT.match(name) else _in_module_of(described)
    return _short(_whole_names(signature, known)), _short(_whole_names(returned, known))


def _whole_names(text: str | None, known: Mapping[str, str]) -> str | None:
    """Names of classes with their modules: a pool's ``Item`` is not the service's."""
    return None if text is None else WORD.sub(lambda word: known.get(word[0], word[0]), text)


def _in_module_of(described: Any) -> dict[str, str]:
    module = sys.modules.get(getattr(described, "__module__", None) or "")
    return {name: _marked(held) for name, held in vars(module or re).items() if _is_ours(held)}


def _is_ours(held: Any) -> bool:
    return isinstance(held, type) and held.__module__.startswith("querist.")


def _marked(held: type) -> str:
    """Where it is, marked to be shown without."""
    return f"~{held.__module__}.{held.__name__}"


@cache
def _wire() -> dict[str, str]:
    """Classes of the service's bodies."""
    modules = [import_module(f"{wire.__name__}.{one.name}") for one in iter_modules(wire.__path__)]
    return {
        name: _marked(held)
        for module in modules
        for name, held in vars(module).items()
        if isinstance(held, type) and held.__module__ == module.__name__
    }


def _names_and_defaults(model: type[BaseModel]) -> str:
    """Of a model's fields; their types, with all limits, would hide them."""
    told = inspect.signature(model)
    bare = [_bare(one) for one in told.parameters.values()]
    return str(_short(str(inspect.Signature(bare))))


def _bare(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(annotation=parameter.empty)


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
    """Keep what stands before a colon from being taken for a type."""
    _, what, _, _, _, lines = event
    if what == "property":
        lines.insert(0, "")
    for at, line in enumerate(lines):  # "first, second: What both are": nor a name for a type
        if (names := SEVERAL.match(line)) is not None:
            lines[at] = line.replace(names[0], names[0].replace(", ", ","), 1)


def plain_names(_: Sphinx, doctree: nodes.document) -> None:
    """Attributes that a docstring lists are no links: another class may have one of the name."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link.get("reftype") == "obj" and isinstance(link[0], addnodes.literal_strong):
            link.replace_self(link.children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("strategies", Strategies)
    app.connect("autodoc-process-signature", shorter)
    app.connect("doctree-read", plain_names)
    app.connect("autodoc-process-docstring", whole, priority=100)  # before Napoleon
    return {"parallel_read_safe": True}
