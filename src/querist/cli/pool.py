"""Commands of pools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from querist.cli.added import tell_added
from querist.cli.annotators import annotators
from querist.cli.output import JSON, Record, counted, show, table
from querist.cli.places import COLUMN, INSECURE, SERVER, client_of, pool_at
from querist.cli.rounds import rounds
from querist.cli.shared import PROGRESS, need_parent, sentences
from querist.cli.suggest import suggest
from querist.cli.todo import write_todo
from querist.cli.values import columns_of, model_of, pairs
from querist.core.errors import QueristError

POOL = click.argument("pool")


@click.group()
def pool() -> None:
    """Pools: many items to choose from, in a folder or at a service."""


@pool.command()
@POOL
@click.argument("uris", nargs=-1)
@click.option(
    "--modality",
    type=click.Choice(["image", "text", "table", "audio"]),
    help="What the items are; by default told by their names.",
)
@click.option("--task", default="classification", help="What a label is: classification ...")
@click.option("--classes", help="Names with commas; by default learned from the labels.")
@click.option(
    "--transform", "-t", multiple=True, metavar="NAME=VALUE", help="How to decode: size=64."
)
@click.option("--source", "-s", multiple=True, metavar="SCHEME.NAME=VALUE", help="s3.region=...")
@COLUMN
@SERVER
@INSECURE
@PROGRESS
@JSON
@sentences
def create(pool: str, uris: tuple[str, ...], **how: Any) -> None:
    """Make a pool in a new folder POOL (or of that name at a service), and add URIS to it."""
    transform = pairs(how["transform"], "--transform")
    if how["modality"]:
        transform["modality"] = how["modality"]
    classes = [name.strip() for name in (how["classes"] or "").split(",") if name.strip()]
    settings: Record = {"task": how["task"], "transform": transform}
    settings |= {"sources": sources_of(how["source"])}
    if classes:
        settings["classes"] = classes
    server, insecure = how["server"], how["insecure"]
    if server:
        from querist.cli.there import sent_sources

        told = {**settings, "sources": sent_sources(settings["sources"])}
        client_of(server, insecure).create_pool(pool, **told)
    else:
        from querist.pool.pool import Pool

        Pool.create(pool, settings).close()
    if not uris:
        show(pool_at(pool, server, insecure).show(), how["as_json"])
        return
    try:
        _added(pool, uris, how)
    except QueristError:
        at = f" --server {server}" if server else ""
        again = f"querist pool add {shlex.quote(pool)} {shlex.join(uris)}{at}"
        click.echo(f"The pool was made, without items; try again with: {again}", err=True)
        raise


@pool.command()
@POOL
@click.argument("uris", nargs=-1, required=True)
@COLUMN
@SERVER
@INSECURE
@PROGRESS
@JSON
@sentences
def add(pool: str, uris: tuple[str, ...], **how: Any) -> None:
    """Add folders, patterns, manifests or single URIs; may be repeated when there are more."""
    _added(pool, uris, how)


def _added(pool: str, uris: tuple[str, ...], how: Record) -> None:
    from querist.cli.progress import watching

    place = pool_at(pool, how["server"], how["insecure"])
    try:
        with watching(how["progress"], "adding") as watcher:
            record = place.add(uris, watcher.show, columns_of(how["column"]))
    except KeyboardInterrupt:
        again = shlex.join(["querist", "pool", "add", pool, *uris])
        raise KeyboardInterrupt(f"what was added stays; go on with: {again}") from None
    if how["as_json"]:
        show(record, True)
    else:
        tell_added(pool, record)


@pool.command(name="list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@SERVER
@INSECURE
@JSON
@sentences
def list_(folder: Path, server: str, insecure: bool, as_json: bool) -> None:
    """List the pools below a folder, or at a service."""
    if server:
        records = [one.model_dump(mode="json") for one in client_of(server, insecure).pools()]
        table(records, ("name", "id", "items", "task"), as_json, "no pools")
        return
    records = [pool_at(str(path.parent), "").show() for path in sorted(pools_below(folder))]
    table(records, ("folder", "name", "items", "states", "task"), as_json, f"no pool in {folder}")


@pool.command(name="show")
@POOL
@SERVER
@INSECURE
@JSON
@sentences
def show_(pool: str, server: str, insecure: bool, as_json: bool) -> None:
    """Tell what a pool is, and how many of its items are labelled."""
    show(pool_at(pool, server, insecure).show(), as_json)


@pool.command()
@POOL
@click.option("--where", default="all", help="all, unlabelled, labelled, empty, skipped ...")
@click.option("--limit", type=click.IntRange(min=1), default=20, help="At most so many.")
@SERVER
@INSECURE
@JSON
@sentences
def items(pool: str, where: str, limit: int, server: str, insecure: bool, as_json: bool) -> None:
    """List items."""
    found = pool_at(pool, server, insecure).items(where, limit)
    records = ({**one, "what": one.get("inline") or one.get("uri")} for one in found)
    table(records, ("id", "state", "label", "what"), as_json, "no such items")


@pool.command()
@POOL
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--format", default="", help="csv, jsonl, parquet, coco, yolo ...; by the suffix.")
@click.option("--which", default="all", help="all, labelled, unlabelled ...")
@SERVER
@INSECURE
@sentences
def export(pool: str, output: Path, format: str, which: str, server: str, insecure: bool) -> None:
    """Write items and labels as a manifest: CSV, JSON Lines, Parquet, Label Studio, COCO ..."""
    need_parent(output)
    click.echo(pool_at(pool, server, insecure).export(output, format, which))


@pool.command(name="import")
@POOL
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", default="", help="Of the file, where its name does not tell.")
@COLUMN
@SERVER
@INSECURE
@sentences
def import_(pool: str, file: Path, format: str, **how: Any) -> None:
    """Take labels from a manifest for items that the pool has."""
    place = pool_at(pool, how["server"], how["insecure"])
    taken = place.import_labels(file, format, {"columns": columns_of(how["column"])})
    count = taken.required(file)
    click.echo(f"{counted(count, 'label')} recorded")


@pool.command()
@POOL
@click.argument("ids", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@SERVER
@INSECURE
@sentences
def forget(pool: str, ids: tuple[str, ...], yes: bool, server: str, insecure: bool) -> None:
    """Erase items: labels, caches, features, exports made here; only their ids stay.

    Your own files are not touched.
    """
    if not yes:
        click.confirm(
            f"Erase {counted(len(ids), 'item')} of {pool} for good?", abort=True, err=True
        )
    place = pool_at(pool, server, insecure)
    left = place.forget(ids)
    click.echo(f"{counted(len(ids), 'item')} forgotten")
    for one in dict.fromkeys(left):
        click.echo(f"left: {one}", err=True)


@pool.command()
@POOL
@SERVER
@INSECURE
@JSON
@sentences
def drift(pool: str, server: str, insecure: bool, as_json: bool) -> None:
    """Test whether what the last query saw differs from what the first one did."""
    from querist.pool.drift import Drift

    told = pool_at(pool, server, insecure).drift()
    if as_json:
        show(told, True)
    else:
        click.echo(Drift(**told))


@pool.command()
@POOL
@click.option(
    "--model",
    "-m",
    multiple=True,
    metavar="FILE|NAME=VALUE",
    help="Whose features are learned on; by default built-in ones.",
)
@SERVER
@INSECURE
@PROGRESS
@click.option("--limit", type=click.IntRange(min=1), default=20, help="Show at most so many.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Write all of them: .csv or .jsonl."
)
@JSON
@sentences
def issues(pool: str, limit: int, output: Path | None, as_json: bool, **how: Any) -> None:
    """List labels that are probably wrong, the worst first.

    Each label is judged by a model that has learned from the others (cross-validation). Correct a
    wrong one with `querist label`; a right one can stay.
    """
    from querist.cli.progress import watching

    need_parent(output)
    place = pool_at(pool, how["server"], how["insecure"])
    with watching(how["progress"], "reviewing labels") as watcher:
        found = place.issues(model_of(how["model"]), watcher.show)
    if output is not None:
        write_todo(output, [{**one, "label": one["given"]} for one in found])
    columns = ("id", "given", "suggested", "quality", "item")
    table(found[:limit], columns, as_json, "no label looks wrong")
    if len(found) > limit and not as_json:
        click.echo(f"... and {len(found) - limit:,} more; --limit or -o show them", err=True)


pool.add_command(rounds)
pool.add_command(annotators)
pool.add_command(suggest)


def sources_of(texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """``s3.region=eu-west-1`` as options by scheme."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in pairs(texts, "--source").items():
        scheme, _, option = name.partition(".")
        found.setdefault(scheme, {})[option] = value
    return found


def pools_below(folder: Path) -> list[Path]:
    """The ``pool.json`` of pools in a folder and two levels below."""
    return [path for depth in ("", "*/", "*/*/") for path in folder.glob(f"{depth}pool.json")]
