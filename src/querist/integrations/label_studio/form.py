"""Label Studio's labelling configuration: made for a pool, or read from a project that there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from querist.core.errors import ConfigError

_SHOWN = {"image": "Image", "text": "Text", "table": "Table", "audio": "Audio"}
# By task: the tags that can hold its labels, with the type of their results. The first is made.
_ASKED: Mapping[str, Mapping[str, str]] = {
    "classification": {"Choices": "choices"},
    "multi-label": {"Choices": "choices"},
    "detection": {
        "RectangleLabels": "rectanglelabels",
        "PolygonLabels": "polygonlabels",
    },
    "tokens": {"Labels": "labels"},
    "regression": {"Number": "number", "Rating": "rating"},
    "free": {"TextArea": "textarea"},
}
_LARGEST = 1_000_000


class Form(NamedTuple):
    """Where labels stand in a project.

    Attributes:
        asks: Name of the tag that asks.
        shows: Name of the tag that shows the item.
        field: Of a task's data that holds the item.
        classes: That can be chosen; () where the tag is no choice.
    """

    asks: str
    shows: str
    field: str
    classes: tuple[str, ...] = ()


def made_for(task: str, modality: str, classes: Sequence[str]) -> str:
    """A configuration for a pool.

    Raises:
        ConfigError: If classes are needed and none are known.
    """
    if modality not in _SHOWN:
        raise ConfigError(
            f"Label Studio shows {', '.join(_SHOWN)}; the pool's items are {modality}."
        )
    tag = next(iter(_ASKED[task]))
    inner = ""
    if tag in ("Choices", "RectangleLabels", "Labels"):
        if not classes:
            raise ConfigError("The pool knows no classes yet. Make it with classes, or label some.")
        part = "Choice" if tag == "Choices" else "Label"
        inner = "".join(f"    <{part} value={quoteattr(name)}/>\n" for name in classes)
    how = ""
    if tag == "Choices":
        how = f' choice="{"multiple" if task == "multi-label" else "single"}" showInLine="true"'
    shows, field = _SHOWN[modality], modality
    return (
        f'<View>\n  <{shows} name="{field}" value="${field}"/>\n'
        f'  <{tag} name="label" toName="{field}"{how}>\n{inner}  </{tag}>\n</View>\n'
    )


def read(config: str, task: str) -> Form:
    """Where labels of a task stand in a configuration.

    Raises:
        ConfigError: If it has no place for them.
    """
    root = _parsed(config)
    shown = {
        tag.get("name", ""): (tag.get("value") or "").lstrip("$")
        for tag in root.iter()
        if (tag.get("value") or "").startswith("$")
    }
    wanted = _ASKED[task]
    for tag in root.iter():
        to = (tag.get("toName") or "").split(",")[0]
        if tag.tag in wanted and to in shown:
            names = [one.get("value") or one.get("alias") or "" for one in tag]
            return Form(tag.get("name", ""), to, shown[to], tuple(name for name in names if name))
    raise ConfigError(
        f"The project's labelling configuration has no {' or '.join(wanted)} tag, which labels of "
        f"the task {task} need."
    )


def _parsed(config: str) -> ElementTree.Element:
    # What declares entities could grow without end.
    if len(config) > _LARGEST or "<!" in config.replace("<!--", ""):
        raise ConfigError("The project's labelling configuration is too large, or declares types.")
    try:
        return ElementTree.fromstring(config)
    except ElementTree.ParseError as error:
        raise ConfigError(f"The project's labelling configuration is no XML: {error}.") from None
