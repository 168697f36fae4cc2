"""What ``querist run`` and ``querist check`` do with ``pool.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from querist.cli.added import brought_up, tell_added
from querist.cli.output import Record
from querist.cli.places import client_of, pool_at
from querist.cli.progress import watching
from querist.cli.query import finish
from querist.core.errors import ConfigError
from querist.pool.file import PoolFile, load_pool_file
from querist.pool.model_places import missing
from querist.pool.yaml_lines import read_yaml
from querist.sources.globs import is_pattern, literal_folder
from querist.sources.uris import scheme_of


def run(path: Path, how: Mapping[str, Any]) -> None:
    """From the file to picks, here or at its server."""
    found = load_pool_file(path)
    said: Record = {"output": None, "sheet": None, "as_json": False, **how}
    said |= {"server": "", "insecure": False}
    if found.rounds is not None and found.server is None:
        from querist.cli.rounds import play

        folder, name, asked = brought_up(path, said["progress"])
        play(folder, name, asked, said)
        return
    if found.server is not None:
        said |= {"server": found.server.use, "insecure": found.server.insecure}
        query = _there(found, said)
    else:
        query = _here(found, said)
    finish(query, said)


def _here(found: PoolFile, how: Record) -> str:
    from querist.cli.here import added_record, listed
    from querist.pool.query import start_query
    from querist.pool.running import bring_up, pool_of

    with pool_of(found) as pool:
        with watching(how["progress"], "adding") as watcher:
            added = bring_up(pool, found, lambda so_far: watcher.show(listed(so_far)))
        tell_added(str(pool.folder), added_record(added))
        return str(start_query(pool, found.asked()))


def _there(found: PoolFile, how: Record) -> str:
    from querist.cli.there import set_up

    client = client_of(how["server"], how["insecure"])
    place = pool_at(set_up(client, found), how["server"], how["insecure"])
    with watching(how["progress"], "adding") as watcher:
        tell_added(found.name, place.add(found.data.from_, watcher.show, found.data.columns))
    for path in found.data.labels:
        place.import_labels(Path(path), "", {"columns": found.data.columns})
    return place.start(found.asked())


def check(path: Path) -> None:
    """All that can be told without reading items: the file, and whether local places are there."""
    found = load_pool_file(path)
    here = found.server is None
    for uri in (*found.data.from_, *found.data.labels) if here else ():
        if scheme_of(uri) == "":
            place = Path(literal_folder(uri) if is_pattern(uri) else uri)
            if not place.exists():
                raise ConfigError(f"{path}: {uri} of data.from or data.labels is not there.")
    if here:
        _check_model(path, found)
    where = f"at {found.server.use}" if found.server is not None else f"in {found.folder}"
    share = isinstance(found.budget, float)
    wanted = f"{found.budget:,}" if not share else f"{100 * found.budget:.3g} %"
    noun = "" if share else " items"
    each = f" in each of {found.rounds.count} rounds" if found.rounds is not None else ""
    places = ", ".join(found.data.from_)
    click.echo(f"{path} is sound: {wanted}{noun} of {places}{each}, {where}.")


def _check_model(path: Path, found: PoolFile) -> None:
    """That the model's files and code are there; only where this machine runs it."""
    trainer = (found.rounds.trainer or {}).get("use", "") if found.rounds is not None else ""
    code = {"function": trainer} if ":" in trainer else {}
    located = read_yaml(path)
    asked = ((("model",), found.model or {}), (("rounds", "trainer"), code))
    problems = tuple(
        f"line {located.line(place)}, {'.'.join(place)}.{one.key}: {one.sentence}"
        for place, model in asked
        for one in missing(model)
    )
    if problems:
        raise ConfigError(f"{path} cannot be used:", problems)
