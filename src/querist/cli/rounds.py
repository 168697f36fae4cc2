"""The command of a pool's rounds: scan, select, label, train, and again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from querist.cli.added import brought_up
from querist.cli.output import JSON, Record, counted, show, table
from querist.cli.places import INSECURE, SERVER
from querist.cli.shared import EXIT_INTERRUPTED, PROGRESS, leave, need_parent, sentences, typed
from querist.cli.todo import write_todo
from querist.cli.values import model_of, named_model, pairs
from querist.core.errors import ConfigError

if TYPE_CHECKING:
    from querist.pool.pool import Pool
    from querist.pool.rounds import RoundsStatus

MAIN = "main"


@click.command()
@click.argument("pool")
@click.argument("id", default=MAIN)
@click.option("--rounds", type=click.IntRange(min=1), help="How many.")
@click.option("--budget", "-n", type=click.IntRange(min=1), help="Items to label in each.")
@click.option(
    "--model",
    "-m",
    multiple=True,
    metavar="FILE|NAME=VALUE",
    help="Whose features are learned on, or what is fine-tuned; by default built-in features.",
)
@click.option("--strategy", help="By default the one that fits the trained model.")
@click.option("--option", multiple=True, metavar="NAME=VALUE", help="Of the strategy; repeat it.")
@click.option("--start", help="Strategy while nothing is trained yet.")
@click.option(
    "--labels", default="", metavar="FILE|URL", help="Who labels; without it people do, and wait."
)
@click.option(
    "--trainer",
    multiple=True,
    metavar="NAME|NAME=VALUE",
    help="linear_head, fine_tune, module:function; with options: use=fine_tune epochs=20.",
)
@click.option("--holdout", type=click.IntRange(min=1), help="Random items that judge each model.")
@click.option("--seed", type=click.IntRange(min=0), help="Of what is drawn.")
@click.option("--scan", multiple=True, metavar="NAME=VALUE", help="memory_mb=512, batch=64 ...")
@click.option("--workers", type=click.IntRange(min=1), help="Processes that share each query.")
@click.option(
    "--engine",
    type=click.Choice(["inline", "processes", "mpi"]),
    help="Where queries run; by default inline, or processes with --workers.",
)
@click.option("--status", is_flag=True, help="Only say how far they are.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Write a CSV of items to be labelled."
)
@SERVER
@INSECURE
@PROGRESS
@JSON
@sentences
def rounds(pool: str, id: str, **how: Any) -> None:
    """Begin rounds of a pool, or go on with them, as far as that is possible now.

    POOL is a folder, or a pool.yaml with a section rounds. ID tells several rounds of one pool
    apart. Where people label, it returns when labels are awaited, and says how to give them; the
    same command goes on then. Ctrl-C ends it in order, and nothing is lost by a crash. At a service
    (--server) each call begins one round, or goes on until there are as many as --rounds says, once
    the items of the one before are labelled.
    """
    need_parent(how["output"])
    asked = asked_of(how)
    if how["server"]:
        from querist.cli.rounds_there import play_there

        play_there(pool, asked, how)
        return
    _enlist(Path(pool), id, asked)
    if pool.endswith((".yaml", ".yml")):
        folder, id, found = brought_up(Path(pool), how["progress"])
        asked = found | asked
    else:
        folder = Path(pool)
    play(folder, id, {} if how["status"] else asked, how)


def _enlist(pool: Path, id: str, asked: Record) -> None:
    """Of an MPI job only rank 0 returns; what was begun with an engine goes on with it."""
    from querist.campaign import ranks

    def described(path: Path) -> Any:
        if path.suffix in (".yaml", ".yml"):
            return (ranks.described(path).get("query") or {}) | {}
        return json.loads((path / "rounds" / id / "config.json").read_bytes())["settings"]

    kind = asked.get("engine", {}).get("kind")
    begun = pool.suffix in (".yaml", ".yml") or (pool / "rounds" / id / "config.json").is_file()
    ranks.enlist(pool, kind or (None if begun else "inline"), described)


def asked_of(how: Mapping[str, Any]) -> Record:
    """What the options say of rounds; what was not said is not there."""
    labels, trainer = how["labels"], list(how["trainer"])
    said: Record = {name: how[name] for name in ("rounds", "budget", "strategy", "start", "seed")}
    model = model_of(how["model"]) if how["server"] else named_model(how["model"])
    said |= {"holdout": how["holdout"], "model": model}
    workers, kind = how["workers"], how["engine"]
    if kind and how["server"]:
        raise ConfigError("--engine: a service has its own; take --workers.")
    if workers and how["server"]:
        said["workers"] = workers
    elif workers or kind:
        engine = {"kind": kind or "processes", "workers": workers}
        said["engine"] = {name: value for name, value in engine.items() if value}
    said |= {"options": pairs(how["option"], "--option"), "scan": pairs(how["scan"], "--scan")}
    said["trainer"] = pairs(trainer, "--trainer") if "=" in "".join(trainer) else "".join(trainer)
    if labels:
        url = "://" in labels
        said["oracle"] = "service" if url else "file"
        said["labels"] = labels if url else str(Path(labels).absolute())
    return {name: value for name, value in said.items() if value not in (None, {}, "")}


def play(folder: Path, id: str, asked: Record, how: Mapping[str, Any]) -> None:
    """Begin rounds in a pool's folder or go on with them, and tell how far they are."""
    from querist.cli.query_here import code_of
    from querist.pool.pool import Pool
    from querist.pool.rounds_state import folder_of, rounds_status

    code_of(folder)
    with Pool.open(folder) as pool:
        path = folder_of(pool, id)
        there = (path / "manifest.json").is_file()
        if not there and (how.get("status") or not {"rounds", "budget"} <= set(asked)):
            raise ConfigError(
                f"There are no rounds {id!r} in {folder} yet. Begin some: "
                f"querist pool rounds {folder} --rounds 5 -n 20"
            )
        if not how.get("status"):
            _advance(pool, id, asked, how["progress"])
        tell(pool, rounds_status(pool, path), how)


def _advance(pool: Pool, id: str, asked: Record, progress: str) -> None:
    from querist.campaign.driver import signals
    from querist.cli.progress import watching
    from querist.pool.query_errors import QueryStopped
    from querist.pool.rounds import play as go_on
    from querist.pool.rounds_training import Watch

    stops: list[str] = []
    with watching(progress, f"rounds {id}") as watcher, signals(stops.append):
        try:
            go_on(pool, id, asked, Watch(watcher.show, lambda: bool(stops)))
        except (QueryStopped, KeyboardInterrupt):
            stops.append("stopped")
    if stops:
        click.echo(f"{stops[0]}; go on with: querist pool rounds {pool.folder} {id}", err=True)
        leave(EXIT_INTERRUPTED)


def tell(pool: Pool, status: RoundsStatus, how: Mapping[str, Any]) -> None:
    """Say how far rounds are, what each training gave, and what to do next."""
    if how.get("output") is not None:
        _write(pool, status, how["output"])
    if how.get("as_json"):
        show(status._asdict(), True)
        return
    on, names = _shown(status)
    rows = [
        {"round": f"{one['round']:.0f}", "labels": f"{one['labels']:.0f}"}
        | {name.rpartition(".")[2]: one.get(name) for name in names}
        | {"judged_by": on}
        for one in status.metrics
    ]
    if rows:
        table(rows, list(rows[0]), False)
    click.echo(line_of(status))
    for line in _next(pool, status, how):
        click.echo(line, err=True)


def _shown(status: RoundsStatus) -> tuple[str, list[str]]:
    """What judges, and the metrics: of the hold-out, else of labels set aside."""
    names = list(dict.fromkeys(name for one in status.metrics for name in one))
    for prefix, on in (("holdout.", "hold-out"), ("validation.", "labels set aside")):
        found = [n for n in names if n.startswith(prefix) and not n.endswith(".rows")]
        if found:
            return on, found
    return "", [name for name in names if name not in ("round", "labels")][:4]


def line_of(status: RoundsStatus) -> str:
    """One line."""
    number = max(1, status.number)
    where = f"round {number} of {status.rounds}"
    if status.number == 0 and status.picked:
        where = "the hold-out"
    if status.state == "done":
        labels = f", {status.metrics[-1]['labels']:,.0f} labels" if status.metrics else ""
        return f"{status.id}: done{labels}{f' ({status.note})' if status.note else ''}"
    waits = f", {len(status.missing):,} of {counted(len(status.picked), 'item')} without a label"
    return f"{status.id}: {where}, {status.state}{waits if status.missing else ''}"


def _next(pool: Pool, status: RoundsStatus, how: Mapping[str, Any]) -> list[str]:
    folder, lines = typed(pool.folder), list[str]()
    go_on = f"  querist pool rounds {folder} {status.id}"
    if status.state == "labelling":
        lines.append(status.note)
        if how.get("output") is not None:
            lines.append(f"Fill in the column label of {how['output']}, then:")
            lines.append(f"  querist label {folder} --from {typed(how['output'])}")
        else:
            query = typed(pool.folder / "queries" / f"{status.id}-{status.number}")
            lines += [
                "Label them one after the other:",
                f"  querist label {folder} --ask --query {query}",
                "or in a file, whose column label you fill in:",
                f"{go_on} --status -o todo.csv",
                f"  querist label {folder} --from todo.csv",
            ]
        lines += ["Then go on with:", go_on]
    elif status.state == "ready":
        lines += ["Go on with:", go_on]
    lines += _failures(pool.folder, status)
    if status.model is not None:
        lines.append(f"The newest model: {pool.folder / 'rounds' / status.id / 'model.yaml'}")
    return lines


def _failures(folder: Path, status: RoundsStatus) -> list[str]:
    """Where to see the items that the round's query could not use."""
    from querist.pool.query import query_status

    query = folder / "queries" / f"{status.id}-{status.number}"
    failed = query_status(query).failed if (query / "manifest.json").is_file() else 0
    if not failed:
        return []
    return [f"{counted(failed, 'item')} could not be used: querist query failures {typed(query)}"]


def _write(pool: Pool, status: RoundsStatus, path: Path) -> None:
    """Items that wait for a label, with a column to fill in."""
    items = [pool.item(id) for id in status.missing]
    write_todo(path, [{"id": item.id, "item": item.uri or item.inline} for item in items])
