"""The command that shows one run in a browser."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from querist.cli.shared import RUN, sentences


def _has_desktop() -> bool:
    """Whether there is a screen that a browser could open on."""
    unix = sys.platform not in ("darwin", "win32")
    return not unix or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@click.command()
@RUN
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="By default a free one.")
@click.option(
    "--open/--no-open",
    "opens",
    default=True,
    help="Open the browser at once, where there is a desktop.",
)
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Files below may be shown, where people are asked about addresses.",
)
@sentences
def watch(run: Path, port: int, opens: bool, roots: tuple[Path, ...]) -> None:
    """Show a run in the browser while it goes on, and steer it; from this machine only."""
    from querist.service.watching import watching

    with watching(run, port, roots) as (address, serve):
        click.echo(f"{run} is shown at {address} (Ctrl-C ends it, the run goes on)", err=True)
        if opens and _has_desktop():
            click.launch(address)
        with suppress(KeyboardInterrupt):
            serve()
