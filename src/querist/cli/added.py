"""What an addition did, said to people; and the pool of a file brought up to date."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.output import Record
from querist.cli.progress import watching
from querist.core.errors import ConfigError

SHOWN = 3


def tell_added(pool: str, record: Record) -> None:
    """Say what an addition did: the counts, and the first reasons of what was broken."""
    counts = ("new", "changed", "duplicates", "unchanged", "labelled", "forgotten", "broken")
    said = [f"{record[name]:,} {name}" for name in counts if record.get(name)]
    click.echo(f"{pool}: {', '.join(said) or 'nothing there'}")
    reasons = record.get("reasons") or []
    for reason in reasons[:SHOWN]:
        click.echo(f"  {reason}", err=True)
    if len(reasons) > SHOWN:
        click.echo(f"  ... and {record['broken'] - SHOWN:,} more; --json lists them", err=True)


def brought_up(path: Path, progress: str) -> tuple[Path, str, Record]:
    """The folder of a file's pool, brought up to date; name and settings of its rounds.

    Raises:
        ConfigError: If it has no section of rounds, or names a server.
    """
    from querist.cli.here import added_record, listed
    from querist.pool.file import load_pool_file
    from querist.pool.running import bring_up, pool_of

    found = load_pool_file(path)
    if found.rounds is None:
        raise ConfigError(f"{path} has no section rounds, such as: rounds: 5")
    if found.server is not None:
        raise ConfigError(f"{path} names a server, where each round is begun by the client.")
    with pool_of(found) as pool:
        with watching(progress, "adding") as watcher:
            added = bring_up(pool, found, lambda so_far: watcher.show(listed(so_far)))
        tell_added(str(pool.folder), added_record(added))
        return pool.folder, found.rounds.name, found.rounds_asked()
