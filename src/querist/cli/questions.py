"""Commands for people whom a run asks, and for programs that answer for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from querist.cli.output import JSON, Record, table
from querist.cli.shared import RUN, sentences
from querist.core.errors import ConfigError

_SHOWN = 6  # numbers of an input in the table


@click.command()
@RUN
@click.option("--oracle", default="", help="Of this one only.")
@click.option("--limit", type=click.IntRange(min=1), default=20, help="At most so many.")
@JSON
@sentences
def questions(run: Path, oracle: str, limit: int, as_json: bool) -> None:
    """List what a run asks people: questions of oracles with `outside`, the oldest first.

    With --json each line has the whole input and the form of the answer.
    """
    from querist.campaign.asked import Questions

    found = Questions(run)
    if not found.oracles:
        raise ConfigError(
            f"no oracle of {run} asks people or programs; one that does has `use: human` or "
            "`outside: n` in the campaign file."
        )
    waiting = found.waiting(oracle)[:limit]
    rows = [_record(found, one, as_json) for one in waiting]
    table(rows, ("question", "oracle", "why", "input", "asked for"), as_json, "nothing is asked")


def _record(found: Any, one: Any, whole: bool) -> Record:
    form = found.form(one.oracle)
    about: Record = {"question": one.id, "oracle": one.oracle, "why": one.why}
    if whole:
        inputs = {name: value.tolist() for name, value in one.sample.arrays.items()}
        more = {"uri": one.sample.uri, "score": one.score, "purpose": one.purpose, "form": form}
        return {**about, "inputs": inputs, **more}
    asked = ", ".join(_wish(output) for output in form.get("outputs", ())) or "any outputs"
    return {**about, "input": _gist(one.sample), "asked for": asked}


def _wish(output: Record) -> str:
    what = "|".join(output["classes"]) or (f"{output['shape']}" if output["shape"] else "a number")
    return f"{output['name']}={what}"


def _gist(sample: Any) -> str:
    if sample.uri:
        return str(sample.uri)
    parts = []
    for name, value in sample.arrays.items():
        flat = value.ravel()
        shown = " ".join(
            f"{one:.4g}" if one.dtype.kind == "f" else str(one) for one in flat[:_SHOWN]
        )
        parts.append(f"{name}: {shown}{' ...' if flat.size > _SHOWN else ''}")
    return "; ".join(parts)


@click.command()
@RUN
@click.argument("question")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--by", default="", help="Who answers.")
@click.option("--seconds", type=click.FloatRange(min=0), help="What it took.")
@click.option("--not-sure", metavar="WHY", help="It cannot be told: ask no more.")
@sentences
def answer(
    run: Path,
    question: str,
    values: tuple[str, ...],
    by: str,
    seconds: float | None,
    not_sure: str | None,
) -> None:
    """Answer a QUESTION of a run, by its id or the beginning of it: species=cat, energy=-1.5."""
    from querist.campaign.asked import Questions

    if bool(values) == (not_sure is not None):
        raise click.UsageError("give NAME=VALUE ..., or --not-sure WHY.")
    found = Questions(run)
    if not_sure is not None:
        found.abstain(question, not_sure, by)
    else:
        found.answer(question, dict(_said(values)), by, seconds)
    click.echo(f"answered; {run} reads it within a second, or when it is resumed.")


def _said(values: tuple[str, ...]) -> Any:
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"An answer is NAME=VALUE, got {text!r}.")
        try:
            yield name, json.loads(value)
        except ValueError:
            yield name, value
