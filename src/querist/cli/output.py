"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click

Record: TypeAlias = dict[str, Any]
"""A thing as plain values, ready for JSON."""

Tell: TypeAlias = Callable[[Any], None]
"""Is told how far something is."""

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def show(record: Mapping[str, Any], as_json: bool) -> None:
    """Print one thing: its fields below each other, or JSON. Empty fields are left out."""
    if as_json:
        click.echo(to_json(record))
        return
    said = {name: field_of(name, value) for name, value in record.items()}
    said = {name.replace("_", " "): value for name, value in said.items() if value}
    width = max(map(len, said), default=0)
    for name, value in said.items():
        click.echo(f"{name:<{width}}  {value}")


def table(
    records: Iterable[Mapping[str, Any]], columns: Sequence[str], as_json: bool, none: str = ""
) -> int:
    """Print many things: a row each, cut to the terminal's width, or JSON; returns how many."""
    if as_json:
        printed = 0
        for record in records:
            click.echo(to_json(record))
            printed += 1
        return printed
    rows = [[field_of(name, record.get(name, "")) for name in columns] for record in records]
    if not rows:
        click.echo(none, err=True)
        return 0
    heads = [name.replace("_", " ") for name in columns]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    # Only where a person looks: a program that reads the rows needs all of them.
    most = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
    for row in (heads, *rows):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        line = line.rstrip()
        click.echo(line if not most or len(line) <= most else line[: most - 1] + "…")
    return len(rows)


def field_of(name: str, value: Any) -> str:
    """A field for people; states of items are counted: ``5 labelled, 2,000 unlabelled``."""
    if name == "states" and isinstance(value, Mapping):
        return ", ".join(f"{count:,} {state}" for state, count in value.items())
    return text_of(value)


def text_of(value: Any) -> str:
    """A value for people, on one line."""
    if value is None or value in ("", (), [], {}):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {text_of(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        texts = list(map(text_of, value))
        return (" " if all(text.endswith(".") for text in texts) else ", ").join(texts)
    text = " ".join(str(value).split())
    return _path_of(text) if text.startswith("file:///") else text


def _path_of(uri: str) -> str:
    """The path of a file of this machine, as people write it."""
    from querist.sources.source import SourceError
    from querist.sources.uris import local_path, printable

    try:
        return printable(local_path(uri).decode("utf-8", "backslashreplace"))
    except SourceError:  # a zero byte
        return uri


def counted(number: int, noun: str) -> str:
    """``1 label``, ``2,000 labels``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def to_json(record: Mapping[str, Any]) -> str:
    """One line of JSON; paths and instants become text."""
    return json.dumps(record, default=str, ensure_ascii=False)


def path_or_uri(text: str) -> str:
    """A local path made absolute, so that a program elsewhere understands it; a URI as it is."""
    return text if "://" in text else str(Path(text).absolute())
