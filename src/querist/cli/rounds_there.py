"""Rounds at a service: each call begins one, when the one before is labelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from querist.cli.output import Record, counted, show, table
from querist.cli.places import client_of
from querist.cli.progress import watching
from querist.cli.todo import write_todo
from querist.core.errors import ConfigError

if TYPE_CHECKING:
    from querist.service.client.client import Client
    from querist.service.wire.rounds import Round

NOT_THERE = ("rounds", "holdout", "start", "oracle")
FINAL = ("done", "failed", "cancelled")


def play_there(pool: str, asked: Record, how: Mapping[str, Any]) -> None:
    """Begin the next round of a pool of a service, or say what the last one waits for.

    Raises:
        ConfigError: For what is only done where the pool's folder is.
    """
    strange = [f"--{name}" for name in NOT_THERE if name in asked]
    if strange:
        raise ConfigError(
            f"{', '.join(strange).replace('--oracle', '--labels')}: a service plays one round a "
            "call; send labels with `querist label --server`, and call again for the next round."
        )
    client = client_of(how["server"], how["insecure"])
    rounds = list(client.rounds(pool))
    if not how["status"]:
        rounds = _moved_on(client, pool, rounds, asked, how)
    _tell(client, pool, rounds, how)


def _moved_on(
    client: Client, pool: str, rounds: list[Round], asked: Record, how: Mapping[str, Any]
) -> list[Round]:
    """Wait for a round that goes on; begin one where none does and nothing is waited for."""
    last = rounds[0] if rounds else None
    if last is not None and last.state == "done" and last.labelled < last.picked:
        return rounds
    if last is None or last.state in FINAL:
        if "budget" not in asked:
            raise ConfigError("How many items are to be picked? Say it: -n 20")
        trainer = asked.pop("trainer", "linear_head")
        trainer = {"use": trainer} if isinstance(trainer, str) else trainer
        after = last.id if last is not None else None
        last = client.start_round(pool, trainer=trainer, after=after, **asked)
    with watching(how["progress"], f"round {last.number}") as watcher:
        client.wait(last, lambda told: watcher.show(told.progress))
    return list(client.rounds(pool))


def _tell(client: Client, pool: str, rounds: list[Round], how: Mapping[str, Any]) -> None:
    waiting = _waiting(client, pool, rounds[0]) if rounds else []
    if how["output"] is not None:
        write_todo(how["output"], waiting)
    if how["as_json"]:
        for one in rounds:
            show(one.model_dump(mode="json"), True)
        return
    columns = ("round", "state", "labels", "picked", "labelled", "accuracy", "model")
    table((_row(one) for one in reversed(rounds)), columns, False, "no rounds")
    if not waiting:
        return
    at = f"--server {how['server']}"
    click.echo(
        f"{counted(len(waiting), 'item')} without a label. Give labels, then go on:", err=True
    )
    file = how["output"] or "FILE.csv"
    click.echo(f"  querist label {pool} --from {file} {at}", err=True)
    click.echo(f"  querist label {pool} --ask --query {rounds[0].query} {at}", err=True)
    click.echo(f"  querist pool rounds {pool} -n {rounds[0].picked} {at}", err=True)


def _waiting(client: Client, pool: str, last: Round) -> list[Record]:
    if last.state != "done" or last.labelled >= last.picked:
        return []
    picks = {pick.id for pick in client.picks(last)}
    left = (item for item in client.items(pool, "unlabelled") if item.id in picks)
    return [{"id": item.id, "item": item.uri or item.inline} for item in left]


def _row(one: Round) -> Record:
    metrics = dict(one.metrics)
    return {
        "round": str(one.number),
        "state": f"{one.state}: {one.error}" if one.error else one.state,
        "labels": f"{metrics.get('labels', 0):.0f}",
        "picked": one.picked,
        "labelled": one.labelled,
        "accuracy": metrics.get("validation.accuracy"),
        "model": one.trained,
    }
