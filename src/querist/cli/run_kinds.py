"""What the folder of a run holds: a campaign, the query or rounds of a pool, or a surrogate."""

from __future__ import annotations

from pathlib import Path

import click

from querist.core.errors import ConfigError

SHOWN = 8


def kind_of_run(run: Path) -> str:
    """``campaign``, ``query``, ``rounds`` or ``surrogate``.

    Raises:
        NotARun: If the folder holds no run.
        ConfigError: If it is a pool, with the runs in it.
    """
    from querist.store.run_folder import RunFolder

    if (run / "pool.json").is_file():
        found = [path.parent for path in run.glob("rounds/*/manifest.json")]
        found += [path.parent for path in run.glob("queries/*/manifest.json")]
        shown = "".join(f"\n  {path}" for path in sorted(found)[:SHOWN])
        more = f"\n  ... and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise ConfigError(
            f"{run} is a pool (see: querist pool show {run}). Name one of its rounds or queries:"
            f"{shown or ' there are none yet.'}{more}"
        )

    kind = RunFolder(run).config().get("kind")
    return kind if kind in ("query", "rounds", "surrogate") else "campaign"


def status_of_query(run: Path) -> None:
    """One line of a query."""
    from querist.cli.progress import line_of
    from querist.pool.query import query_status

    status = query_status(run)
    error = f": {status.error}" if status.error else ""
    click.echo(f"{status.state}, {line_of(status)}{error}")


def status_of_rounds(run: Path) -> None:
    """A table of the trainings of some rounds, and what to do next."""
    from querist.cli.rounds import tell
    from querist.pool.pool import Pool
    from querist.pool.rounds_state import rounds_status

    with Pool.open(run.absolute().parent.parent) as pool:
        tell(pool, rounds_status(pool, run), {})


def status_of_surrogate(run: Path) -> None:
    """Lines of a surrogate."""
    from querist.surrogate.surrogate import state_in
    from querist.surrogate.telling import lines, status_of

    tell(lines(status_of(*state_in(run))))


def tell(rows: list[tuple[str, str]]) -> None:
    """Names and values, in columns."""
    for name, value in rows:
        click.echo(f"{name:<24}{value}")
