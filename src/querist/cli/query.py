"""Commands of queries: which items to label next."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from querist.cli.output import JSON, Record, counted, show, table
from querist.cli.places import INSECURE, SERVER, pool_at, query_at
from querist.cli.shared import PROGRESS, need_parent, sentences, typed
from querist.cli.values import budget_of, model_of, pairs

POOL = click.argument("pool")
QUERY = click.argument("query")
COLUMNS = ("rank", "id", "score", "uri", "why")
LIMIT = click.option("--limit", type=click.IntRange(min=1), default=20, help="At most so many.")
OUTPUT = click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Write the picks: .csv or .jsonl."
)
SHEET = click.option(
    "--sheet", type=click.Path(path_type=Path), help="Draw the picks side by side: .png, .pdf."
)


def asking(command: Any) -> Any:
    """The options that say what a query asks."""
    for option in reversed(
        (
            click.option(
                "--budget",
                "-n",
                required=True,
                callback=budget_of,
                metavar="N|SHARE",
                help="Items to pick: 20, or 5%.",
            ),
            click.option("--strategy", help="See `querist strategies`; by default by the model."),
            click.option(
                "--option", multiple=True, metavar="NAME=VALUE", help="Of the strategy; repeat it."
            ),
            click.option(
                "--model",
                "-m",
                multiple=True,
                metavar="FILE|NAME=VALUE",
                help="model.yaml, model.onnx, -m use=... -m file=...; by default built-in ones.",
            ),
            click.option("--where", default="unlabelled", help="Which items may be picked."),
            click.option("--seed", type=click.IntRange(min=0), default=0, help="Of what is drawn."),
            click.option(
                "--workers", type=click.IntRange(min=1), help="Processes that share the query."
            ),
            click.option(
                "--engine",
                type=click.Choice(["inline", "processes", "mpi"]),
                help="Where it runs; by default inline, or processes with --workers.",
            ),
            click.option(
                "--scan", multiple=True, metavar="NAME=VALUE", help="memory_mb=512, batch=64 ..."
            ),
        )
    ):
        command = option(command)
    return command


def asked_of(how: Mapping[str, Any]) -> Record:
    """A query's settings, from the options; what was not said is not there."""
    engine, workers = how["engine"], how["workers"]
    said: Record = {
        "budget": how["budget"],
        "strategy": how["strategy"],
        "options": pairs(how["option"], "--option"),
        "model": model_of(how["model"]),
        "where": how["where"],
        "seed": how["seed"],
        "scan": pairs(how["scan"], "--scan"),
        "workers": workers,
        "engine": engine or ("processes" if workers and workers > 1 else None),
    }
    return {name: value for name, value in said.items() if value not in (None, {})}


@click.group()
def query() -> None:
    """Queries: which items of a pool to label next."""


@query.command()
@POOL
@asking
@OUTPUT
@SHEET
@click.option("--dry-run", is_flag=True, help="Only say what it would cost.")
@SERVER
@INSECURE
@PROGRESS
@JSON
@sentences
def run(pool: str, **how: Any) -> None:
    """Pick the items that are worth labelling next.

    Ctrl-C ends it in order; `querist resume` goes on where it was. At a service it goes on by
    itself.
    """
    if not how["server"]:
        from querist.campaign import ranks

        ranks.enlist(Path(pool), asked_of(how).get("engine", "inline"), ranks.described)
    place = pool_at(pool, how["server"], how["insecure"])
    if how["dry_run"]:
        show(place.estimate(asked_of(how)), how["as_json"])
        return
    for path in (how["output"], how["sheet"]):
        need_parent(path)
    finish(place.start(asked_of(how)), how)


def finish(query: str, how: Mapping[str, Any]) -> None:
    """Run a query that was begun, or wait for it; then show what it picked."""
    from querist.cli.progress import watching

    place = query_at(query, how["server"], how["insecure"])
    click.echo(f"query: {query}", err=True)
    with watching(how["progress"], "query") as watcher:
        place.wait(watcher.show)
    told(query, how)


def told(query: str, how: Mapping[str, Any]) -> None:
    """Show what a query picked, and write it where that was asked for."""
    place = query_at(query, how["server"], how["insecure"])
    picks = place.result()
    shown = [{**pick, "item": pick["uri"] or pick.get("inline") or ""} for pick in picks]
    columns = ("rank", "id", "score", "item", "why")
    table(picks if how["as_json"] else shown, columns, how["as_json"], "nothing picked")
    for note in place.notes():
        click.echo(note, err=True)
    if how.get("output") is not None:
        click.echo(f"wrote {written(how['output'], picks)}", err=True)
    if how.get("sheet") is not None:
        click.echo(f"wrote {place.sheet(how['sheet'])}", err=True)
    failed = place.status().get("failed", 0)
    if failed:
        more = f" --server {how['server']}" if how["server"] else ""
        see = f"querist query failures {typed(query)}{more}"
        click.echo(f"{counted(failed, 'item')} failed; see: {see}", err=True)


def written(path: Path, picks: Sequence[Record]) -> Path:
    """Write picks: a JSON object a line to ``.jsonl``, else CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix in (".jsonl", ".ndjson"):
            file.writelines(json.dumps(pick, ensure_ascii=False) + "\n" for pick in picks)
        else:
            rows = csv.DictWriter(
                file, ("rank", "id", "uri", "score", "why"), extrasaction="ignore"
            )
            rows.writeheader()
            rows.writerows(picks)
    return path


@query.command(name="list")
@POOL
@SERVER
@INSECURE
@JSON
@sentences
def list_(pool: str, server: str, insecure: bool, as_json: bool) -> None:
    """List the queries of a pool, the newest first."""
    found = pool_at(pool, server, insecure).queries()
    columns = ("query", "state", "strategy", "budget", "done", "total", "failed", "picked")
    table(found, columns, as_json, "no queries")


@query.command()
@QUERY
@SERVER
@INSECURE
@JSON
@sentences
def status(query: str, server: str, insecure: bool, as_json: bool) -> None:
    """Tell how far a query is."""
    show(query_at(query, server, insecure).status(), as_json)


@query.command()
@QUERY
@OUTPUT
@SHEET
@SERVER
@INSECURE
@JSON
@sentences
def result(query: str, **how: Any) -> None:
    """Show what a query picked, the most useful item first."""
    for path in (how["output"], how["sheet"]):
        need_parent(path)
    told(query, how)


@query.command()
@QUERY
@LIMIT
@SERVER
@INSECURE
@JSON
@sentences
def failures(query: str, limit: int, server: str, insecure: bool, as_json: bool) -> None:
    """List items that could not be read, decoded or scored, and why."""
    found = query_at(query, server, insecure).failures(limit)
    table(found, ("id", "uri", "reason", "message"), as_json, "no failures")


@query.command()
@QUERY
@SERVER
@INSECURE
@JSON
@sentences
def cancel(query: str, server: str, insecure: bool, as_json: bool) -> None:
    """End a query for good; to stop it for a while, press Ctrl-C instead."""
    show(query_at(query, server, insecure).cancel(), as_json)


@query.command()
@POOL
@asking
@SERVER
@INSECURE
@JSON
@sentences
def estimate(pool: str, **how: Any) -> None:
    """Say what a query would cost: requests, bytes, seconds, labels. As run --dry-run."""
    show(pool_at(pool, how["server"], how["insecure"]).estimate(asked_of(how)), how["as_json"])


@query.command()
@POOL
@click.option("--budget", "-n", default="10%", callback=budget_of, metavar="N|SHARE")
@click.option("--strategy", help="What picks; by default the one that fits the model.")
@click.option("--model", "-m", multiple=True, required=True, metavar="FILE|NAME=VALUE")
@click.option(
    "--other",
    multiple=True,
    default=("precision=bf16",),
    metavar="NAME=VALUE",
    help="What differs: precision=bf16 (the default), backend=openvino ...",
)
@click.option("--limit", type=click.IntRange(min=1), default=2000, help="Items, at random.")
@SERVER
@INSECURE
@PROGRESS
@JSON
@sentences
def agreement(pool: str, **how: Any) -> None:
    """Measure how many picks stay the same when the model runs in bf16, or by another backend."""
    from querist.cli.progress import watching

    asked = {name: how[name] for name in ("budget", "strategy", "limit")}
    asked |= {"model": model_of(how["model"]), "other": pairs(how["other"], "--other")}
    place = pool_at(pool, how["server"], how["insecure"])
    with watching(how["progress"], "comparing") as watcher:
        found = place.agreement(asked, watcher.show)
    if how["as_json"]:
        show(found, True)
        return
    click.echo(f"{found['share']:.1%} of {counted(found['picks'], 'pick')} are the same")
    gaps = {name: f"{gap:.2g}" for name, gap in found["differences"].items()}
    one, two = found["seconds"]
    said = {"items": found["rows"], "largest differences": gaps}
    show({**said, "seconds": f"{one:.3g}, {two:.3g}"}, False)
