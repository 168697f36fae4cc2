"""The command that writes commented files to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from querist.cli.shared import need_parent, sentences, typed
from querist.core.errors import ConfigError

TEMPLATES = {
    "campaign": ("querist.campaign", "campaign.yaml"),
    "objective": ("querist.tuning", "objective.yaml"),
    "pool": ("querist.pool", "pool.yaml"),
    "service": ("querist.service", "service.yaml"),
    "tune": ("querist.tuning", "study.yaml"),
}
FILES = {"tune": "study.yaml"}
COMMANDS = {"service": "serve", "tune": "tune"}  # the others are run
PROBLEM = '''\
"""The problem of campaign.yaml."""

import math


def simulate(x):
    """The expensive thing: gets a sample's fields by name, returns its outputs."""
    return {"y": math.sin(5 * x[0]) * math.exp(-x[1])}


def check(sample, outputs):
    """A sentence that refuses a finite answer, or None."""
    return "y should be at most 10" if abs(outputs["y"]) > 10 else None
'''


@click.command()
@click.argument("what", type=click.Choice(sorted(TEMPLATES)))
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--alaas",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A configuration of ALaaS to put into our words instead.",
)
@sentences
def init(what: str, file: Path | None, force: bool, alaas: Path | None) -> None:
    """Write a commented campaign.yaml (with problem.py), pool, service, study or objective.yaml."""
    path = file or Path(FILES.get(what, f"{what}.yaml"))
    need_parent(path)
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; name another file, or say --force.")
    text = template(what) if alaas is None else translated(what, alaas)
    path.write_text(text, encoding="utf-8")
    problem = path.with_name("problem.py")
    beside = what == "campaign" and not problem.exists()
    if beside:
        problem.write_text(PROBLEM, encoding="utf-8")
    wrote = f"{path} and {problem}; edit them" if beside else f"{path}; edit it"
    command, named = COMMANDS.get(what, "run"), typed(path)
    click.echo(f"wrote {wrote}, then: querist check {named}; querist {command} {named}")


def template(what: str) -> str:
    """The text of a template."""
    from importlib.resources import files

    package, name = TEMPLATES[what]
    return (files(package) / "templates" / name).read_text(encoding="utf-8")


def translated(what: str, alaas: Path) -> str:
    """The text of a file made of ALaaS's; what a person should know stands above it."""
    import textwrap

    import yaml

    from querist.compat.alaas import read

    made = read(alaas)
    prefix: dict[str, Any] = {"initial_indent": "# ", "subsequent_indent": "# "}
    notes = (textwrap.fill(note, 96, **prefix) for note in made.notes)
    head = f"# Made of {alaas.name}. See `querist init {what}` for all keys."
    body = yaml.safe_dump(made.pool if what == "pool" else made.service, sort_keys=False)
    return "\n".join((head, *notes, body))
