"""The commands about gated surrogates."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.shared import authority, sentences

FOLDER = click.argument("folder", type=click.Path(path_type=Path))
SIMULATION = click.option(
    "--simulation", help="package.module:function, where the folder has none."
)


@click.group()
def surrogate() -> None:
    """Simulations that answer from a model where a gate says that they may."""


@surrogate.command()
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw it, too: a PNG, SVG or PDF.")
@sentences
def status(folder: Path, as_json: bool, picture: Path | None) -> None:
    """Say what answered, with which coverage, and whether there was drift."""
    import json

    from querist.cli.run_kinds import tell
    from querist.surrogate.surrogate import state_in
    from querist.surrogate.telling import lines, status_of

    state, settings = state_in(folder)
    found = status_of(state, settings)
    if picture is not None:
        from querist.surrogate.picture import draw

        draw(state, settings, picture)
    if as_json:
        click.echo(json.dumps(found))
        return
    tell(lines(found))


@surrogate.command()
@FOLDER
@click.argument("file", type=click.Path(path_type=Path))
@sentences
def export(folder: Path, file: Path) -> None:
    """Write the model in force with its gate to FILE (.safetensors or .onnx)."""
    from querist.surrogate.surrogate import Surrogate

    with Surrogate.open(folder, None) as opened:
        opened.export(file)
    click.echo(f"{file} has the model and its gate.")


@surrogate.command()
@FOLDER
@SIMULATION
@click.option("--host", default="127.0.0.1", help="To listen on.")
@click.option("--port", default=8075, type=click.IntRange(1, 65535), help="To listen on.")
@click.option("--workers", default=1, type=click.IntRange(min=1), help="That simulate.")
@sentences
def serve(folder: Path, simulation: str | None, host: str, port: int, workers: int) -> None:
    """Answer calls over HTTP; a key is read from QUERIST_SURROGATE_KEY."""
    import os

    from querist.campaign.loading import importable
    from querist.service.serving import serve_app
    from querist.service.surrogates import SurrogateApp, check_host
    from querist.surrogate.surrogate import Surrogate

    importable(Path.cwd())
    key = os.environ.get("QUERIST_SURROGATE_KEY", "")
    check_host(host, key)
    engine = {"kind": "processes", "workers": workers} if workers > 1 else "inline"
    given = {} if simulation is None else {"simulation": simulation}
    with Surrogate.open(folder, engine=engine, **given) as opened:
        where = f"http://{authority(host, port)}/v1/answers"
        click.echo(f"answering at {where}; Ctrl-C ends it", err=True)
        serve_app(SurrogateApp(opened, key), host, port)
