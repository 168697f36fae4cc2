"""The command that serves."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.shared import authority, sentences


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="SERVICE_YAML")
@sentences
def serve(file: Path) -> None:
    """Serve pools and queries over HTTP, as a service.yaml says (querist init service)."""
    from querist.service.serving import listening, need_server
    from querist.service.serving import serve as serve_until_stopped
    from querist.service.settings import load_settings

    settings = load_settings(file)
    need_server()
    keys = "no key is needed from this machine" if settings.open_here else "with keys"
    scheme = "https" if settings.listen.certificate else "http"
    listen = settings.listen
    where = f"{scheme}://{authority(listen.host, listen.port)}{listen.root_path}"
    sockets = listening(settings)
    click.echo(f"serving {settings.data} at {where} ({keys}); Ctrl-C ends it", err=True)
    serve_until_stopped(settings, sockets)


def check(path: Path) -> None:
    """Validate a service.yaml."""
    from querist.service.settings import load_settings

    settings = load_settings(path)
    listen = settings.listen
    click.echo(f"{path} is sound: {settings.data} at {authority(listen.host, listen.port)}.")
