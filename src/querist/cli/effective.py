"""The command that says what learning gained."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.shared import RUN, sentences


@click.command()
@RUN
@click.option("--control", type=click.Path(path_type=Path), help="A run without learning.")
@click.option("--oracle", default="", help="The simulation that look-ups stand for.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@sentences
def effective(run: Path, control: Path | None, oracle: str, as_json: bool) -> None:
    """Say how much faster learning made a run, with all that it cost."""
    import json

    from querist.accounting.effective_text import CAVEAT, compared, rows, spent_rows, verdict
    from querist.campaign.inspecting import effective_of

    found = effective_of(run, oracle)
    other = None if control is None else effective_of(control, oracle)
    if as_json:
        click.echo(json.dumps({"run": found, "control": other}))
        return
    told = rows(found) + (compared(found, other) if other is not None else [])
    width = max(len(name) for name, _ in told)
    click.echo(verdict(found) + "\n")
    for name, value in told:
        click.echo(f"{name:<{width}}  {value}")
    click.echo("\nWorker time went into:")
    for name, seconds, share in spent_rows(found):
        click.echo(f"  {name:<36}{seconds:>14}{share:>8}")
    click.echo(f"\n{CAVEAT}")
