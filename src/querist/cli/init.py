"""The command that writes commented files to fill in."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.shared import need_parent, sentences
from querist.core.errors import ConfigError

TEMPLATES = {"pool": ("querist.pool", "pool.yaml"), "service": ("querist.service", "service.yaml")}


@click.command()
@click.argument("what", type=click.Choice(sorted(TEMPLATES)))
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@sentences
def init(what: str, file: Path | None, force: bool) -> None:
    """Write a commented pool.yaml or service.yaml to fill in."""
    path = file or Path(f"{what}.yaml")
    need_parent(path)
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; name another file, or say --force.")
    path.write_text(template(what), encoding="utf-8")
    command = {"pool": "run", "service": "serve"}[what]
    click.echo(f"wrote {path}; edit it, then: querist check {path}; querist {command} {path}")


def template(what: str) -> str:
    """The text of a template."""
    from importlib.resources import files

    package, name = TEMPLATES[what]
    return (files(package) / "templates" / name).read_text(encoding="utf-8")
