"""The command that tells of query strategies."""

from __future__ import annotations

import click

from querist.cli.shared import sentences


@click.command()
@click.argument("name", required=False)
@click.option("--family", help="Only those of a family: uncertainty, committee ...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@sentences
def strategies(name: str | None, family: str | None, as_json: bool) -> None:
    """List query strategies, or tell all of one: needs, cost, paper, when to use it.

    Modifiers, choosers between strategies, and streams are listed at the end.
    """
    from querist.strategies import listing

    found = [listing.found(name)] if name else listing.listed()
    chosen = [one for one in found if family in (None, one.family)]
    if as_json:
        for line in listing.as_json(chosen):
            click.echo(line)
    else:
        listing.show(chosen, full=name is not None)
