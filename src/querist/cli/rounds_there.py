"""Rounds at a service: each call begins one, when the one before is labelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from querist.cli.output import Record, counted, show, table
from querist.cli.places import client_of
from querist.cli.progress import waited, watching
from querist.cli.shared import typed
from querist.cli.todo import write_todo
from querist.core.errors import ConfigError

if TYPE_CHECKING:
    from querist.service.client.client import Client
    from querist.service.wire.rounds import Round

NOT_THERE = ("start",)
HOLDOUT = "hold-out of rounds"
JUDGES = {"holdout": "hold-out", "validation": "labels set aside"}
FINAL = ("done", "failed", "cancelled")


def play_there(pool: str, asked: Record, how: Mapping[str, Any]) -> None:
    """Begin the next rounds of a pool of a service, or say what the last one waits for.

    Without ``--rounds`` one round a call. A hold-out is a query of the pool with a note that tells
    it; later rounds name the hold-out of those before.

    Raises:
        ConfigError: For what is only done where the pool's folder is.
    """
    strange = [f"--{name}" for name in NOT_THERE if name in asked]
    if strange:
        raise ConfigError(
            f"{', '.join(strange)}: a service begins with the strategy that fits what is known; "
            "leave it out."
        )
    client = client_of(how["server"], how["insecure"])
    rounds = list(client.rounds(pool))
    first = None
    if not how["status"]:
        asked = _in_words_of_the_service(asked)
        most, wanted = asked.pop("rounds", len(rounds) + 1), asked.pop("holdout", 0)
        first = _holdout(client, pool, rounds, wanted, asked, how)
        if first is None or "oracle" in asked or not _missing(client, pool, first):
            rounds = _moved_on(client, pool, rounds, {**asked, "holdout": first}, most, how)
    _tell(client, pool, rounds, first, how)


def _in_words_of_the_service(asked: Record) -> Record:
    said = dict(asked)
    trainer = said.pop("trainer", "linear_head")
    said["trainer"] = {"use": trainer} if isinstance(trainer, str) else trainer
    if "oracle" in said:
        said["oracle"] = {"use": said.pop("oracle"), "labels": said.pop("labels")}
    return said


def _holdout(
    client: Client,
    pool: str,
    rounds: list[Round],
    wanted: int,
    asked: Record,
    how: Mapping[str, Any],
) -> str | None:
    """The query that is set aside: of the rounds before, or made now; None where none is wanted.

    A file or a service of labels answers it with the first round; people, before that begins.
    """
    if rounds:
        return rounds[0].holdout
    if not wanted:
        return None
    note = f"{HOLDOUT} ({wanted})"
    for query in client.queries(pool):
        if query.asked.note == note:
            client.wait(query)
            return query.id
    seed = int(asked.get("seed", 0))
    made = client.start_query(pool, budget=wanted, strategy="random", seed=seed, note=note)
    with watching(how["progress"], "the hold-out") as watcher:
        waited(client, made, watcher.show)
    return made.id


def _moved_on(
    client: Client,
    pool: str,
    rounds: list[Round],
    asked: Record,
    most: int,
    how: Mapping[str, Any],
) -> list[Round]:
    """Wait for a round that goes on; begin others while none does and nothing is waited for."""
    if "oracle" in asked and rounds and _left(rounds[0]):
        with watching(how["progress"], f"the oracle of round {rounds[0].number}") as watcher:
            waited(client, client.ask_again(rounds[0]), watcher.show)
        rounds = list(client.rounds(pool))
    while True:
        last = rounds[0] if rounds else None
        over = last is None or last.state in FINAL
        if last is not None and over and not _goes_on(last, most):
            return rounds
        if last is None or over:
            if "budget" not in asked:
                raise ConfigError("How many items are to be picked? Say it: -n 20")
            last = client.start_round(pool, after=last and last.id, **asked)
        with watching(how["progress"], f"round {last.number}") as watcher:
            waited(client, last, watcher.show)
        rounds = list(client.rounds(pool))
        if rounds[0].state != "done":
            return rounds


def _left(last: Round) -> bool:
    """Whether the oracle of a round that is done left items without a label."""
    return last.state == "done" and bool(last.waiting) and last.labelled < last.picked


def _goes_on(last: Round, most: int) -> bool:
    """Whether another round may begin: all is labelled, and there is something left to pick."""
    labelled = last.state != "done" or 0 < last.picked <= last.labelled
    return labelled and last.number < most


def _tell(
    client: Client,
    pool: str,
    rounds: list[Round],
    holdout: str | None,
    how: Mapping[str, Any],
) -> None:
    query = rounds[0].query if rounds and rounds[0].state == "done" else holdout
    waiting = _missing(client, pool, query) if query else []
    if how["output"] is not None:
        write_todo(how["output"], waiting)
    if how["as_json"]:
        for one in rounds:
            show(one.model_dump(mode="json"), True)
        return
    columns = ("round", "state", "labels", "picked", "labelled", "accuracy", "judged by", "model")
    table((_row(one) for one in reversed(rounds)), columns, False, "no rounds")
    if not waiting:
        return
    if rounds and rounds[0].waiting:
        click.echo(rounds[0].waiting, err=True)
    at = f"--server {how['server']}"
    click.echo(
        f"{counted(len(waiting), 'item')} without a label. Give labels, then go on:", err=True
    )
    file = typed(how["output"] or "FILE.csv")
    click.echo(f"  querist label {pool} --from {file} {at}", err=True)
    click.echo(f"  querist label {pool} --ask --query {query} {at}", err=True)
    again = f"-n {rounds[0].picked}" if rounds else f"-n {how['budget']} --holdout {len(waiting)}"
    click.echo(f"  querist pool rounds {pool} {again} {at}", err=True)


def _missing(client: Client, pool: str, query: str) -> list[Record]:
    """Items that a query picked and that nobody labelled or skipped."""
    picks = {pick.id for pick in client.picks(query)}
    left = (item for item in client.items(pool, "unlabelled") if item.id in picks)
    return [{"id": item.id, "item": item.uri or item.inline} for item in left]


def _row(one: Round) -> Record:
    metrics = dict(one.metrics)
    on = "holdout" if "holdout.accuracy" in metrics else "validation"
    judged = f"{on}.accuracy" in metrics
    return {
        "round": str(one.number),
        "state": f"{one.state}: {one.error}" if one.error else one.state,
        "labels": f"{metrics.get('labels', 0):.0f}",
        "picked": one.picked,
        "labelled": one.labelled,
        "accuracy": metrics.get(f"{on}.accuracy"),
        "judged by": {"holdout": "hold-out", "validation": "labels set aside"}[on]
        if judged
        else "",
        "model": one.trained,
    }
