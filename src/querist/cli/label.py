"""The command that records labels: named on the command line, or asked for one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from querist.cli.output import Record, counted, text_of
from querist.cli.places import COLUMN, INSECURE, SERVER, PoolPlace, pool_at
from querist.cli.shared import sentences
from querist.cli.values import columns_of
from querist.core.errors import ConfigError, QueristError

LATER, SKIP, QUIT, EMPTY = "", "s", "q", "e"


@click.command()
@click.argument("pool")
@click.argument("labels", nargs=-1, metavar="[ID=LABEL]...")
@click.option("--by", default="", help="Who says so; annotators are kept apart.")
@click.option(
    "--from", "file", type=click.Path(path_type=Path), help="A manifest that holds labels."
)
@click.option("--format", default="", help="Of that manifest, where its name does not tell.")
@click.option("--images", default="", help="Folder that file names in it are relative to.")
@COLUMN
@click.option("--skip", multiple=True, metavar="ID", help="It cannot be told: do not ask again.")
@click.option("--ask", is_flag=True, help="Show items and ask for the label of each.")
@click.option("--query", default="", help="With --ask: those that this query picked, in order.")
@click.option("--limit", type=click.IntRange(min=1), default=100, help="With --ask: at most.")
@SERVER
@INSECURE
@sentences
def label(pool: str, labels: tuple[str, ...], **how: Any) -> None:
    """Record labels: some by id, those of a file, or one after the other with --ask.

    A label of a pool whose task is classification is a class's name. Others are JSON: 3.5, ["cat",
    "dog"], [{"class": "cat", "box": [1, 2, 30, 40]}]; [] says "looked at, and there is nothing".
    """
    named = bool(labels or how["skip"])
    if sum((named, how["file"] is not None, how["ask"])) != 1:
        raise click.UsageError("give ID=LABEL or --skip ID, or --from FILE, or --ask.")
    place = pool_at(pool, how["server"], how["insecure"])
    if how["file"] is not None:
        options = {"images": how["images"], "columns": columns_of(how["column"])}
        recorded = place.import_labels(how["file"], how["format"], options).required(how["file"])
        skipped = 0
    elif named:
        recorded, skipped = _named(place, labels, how)
    else:
        recorded, skipped = _asked(place, how)
    told = f", {counted(skipped, 'item')} skipped" if skipped else ""
    click.echo(f"{counted(recorded, 'label')} recorded{told}")


def _named(place: PoolPlace, labels: tuple[str, ...], how: Mapping[str, Any]) -> tuple[int, int]:
    values = dict(_labelled(labels, place.show()["task"]))
    recorded = place.label(values, how["by"]) if values else 0
    return recorded, place.skip(how["skip"], how["by"]) if how["skip"] else 0


def _labelled(texts: Iterable[str], task: str) -> Iterator[tuple[str, Any]]:
    for text in texts:
        item, equals, value = text.rpartition("=")
        if not equals:
            raise ConfigError(f"A label is ID=LABEL, got {text!r}.")
        yield item, value_of(value, task)


def value_of(text: str, task: str) -> Any:
    """A label from its text: the name of a class, or JSON where the task has other labels."""
    if task == "classification" and text.strip() != "[]":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _asked(place: PoolPlace, how: Mapping[str, Any]) -> tuple[int, int]:
    about = dict(place.show())
    about["classes"] = classes = list(about["classes"])  # and what is learned meanwhile
    items = list(_items(place, how))
    keys = f"{SKIP}: cannot tell, {EMPTY}: nothing there, {QUIT}: quit, Enter: later"
    click.echo(f"{counted(len(items), 'item')}. {keys}.", err=True)
    if classes:
        _tell_classes(classes)
    tally = {"labels": 0, "skips": 0}
    try:
        _ask_each(place, items, about, how["by"], tally)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{counted(tally['labels'], 'label')} recorded") from None
    return tally["labels"], tally["skips"]


def _ask_each(
    place: PoolPlace,
    items: Sequence[Record],
    about: Mapping[str, Any],
    by: str,
    tally: dict[str, int],
) -> None:
    for number, item in enumerate(items, 1):
        shown = item.get("inline") or item.get("uri")
        click.echo(
            f"[{number}/{len(items)}] {text_of(shown)}  {text_of(item.get('why'))}", err=True
        )
        answer = _answered(place, item["id"], about, by)
        if answer is None:
            return
        tally["labels"] += answer[0]
        tally["skips"] += answer[1]


def _answered(
    place: PoolPlace, item: str, about: Mapping[str, Any], by: str
) -> tuple[int, int] | None:
    """Labels and skips of one item; None for no more. What is refused is asked again."""
    while (said := _said()) != QUIT:
        if said in (LATER, SKIP):
            return 0, place.skip([item], by) if said == SKIP else 0
        value = _chosen(said, about["classes"], about["task"])
        try:
            recorded = place.label({item: value}, by)
        except QueristError as error:
            click.echo(str(error), err=True)
            continue
        _tell_new_class(value, about)
        return recorded, 0
    return None


def _tell_new_class(value: Any, about: Mapping[str, Any]) -> None:
    """The pool learns a class; somebody may have meant another one."""
    if about["task"] == "classification" and value not in (*about["classes"], []):
        about["classes"].append(value)
        click.echo(f"a new class: {value}", err=True)
        _tell_classes(about["classes"])


def _said() -> str:
    """What is typed; the end of the input ends the questions."""
    try:
        said: str = click.prompt("label", err=True, default=LATER, show_default=False)
    except click.Abort as error:
        click.echo(err=True)
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return QUIT
    return said.strip()


def _tell_classes(classes: Sequence[str]) -> None:
    click.echo("  ".join(f"{n}: {name}" for n, name in enumerate(classes, 1)), err=True)


def _items(place: PoolPlace, how: Mapping[str, Any]) -> Iterator[Record]:
    if not how["query"]:
        return place.items("unlabelled", how["limit"])
    from querist.cli.places import query_at

    picks = query_at(how["query"], how["server"], how["insecure"]).result()
    return iter(picks[: how["limit"]])


def _chosen(said: str, classes: Sequence[str], task: str) -> Any:
    """A class by its number, or what was typed."""
    if said == EMPTY:
        return []
    if said.isdigit() and said not in classes and 1 <= int(said) <= len(classes):
        return classes[int(said) - 1]
    return value_of(said, task)
