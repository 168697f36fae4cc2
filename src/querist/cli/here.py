"""Pools in folders of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import click

from querist.cli.output import Record, Tell
from querist.cli.query_here import status_record
from querist.cli.taken import Taken
from querist.cli.values import named_model
from querist.pool.items import Added, Item
from querist.pool.label_import import why_nothing
from querist.pool.pool import Pool
from querist.pool.query import FOLDER, queries, settings_of, start_query
from querist.pool.query_picks import picked_fact
from querist.pool.query_settings import kind_alone
from querist.store.run_folder import RunFolder

PAGE = 1000


class Listed(NamedTuple):
    """How far an addition is, or something else, as progress is shown."""

    done: int
    failed: int = 0
    stage: str = "listing"
    total: int | None = None


class PoolHere:
    """A pool in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def show(self) -> Record:
        """Name, folder, settings, counts by state."""
        with Pool.open(self.folder) as pool:
            counts = {state: count for state, count in pool.counts().items() if count}
            return {
                "name": pool.name,
                "folder": str(pool.folder),
                "task": pool.settings.task,
                "classes": list(pool.classes),
                "transform": pool.settings.transform,
                "items": len(pool),
                "states": counts,
            }

    def add(self, uris: Iterable[str], tell: Tell, columns: Mapping[str, str]) -> Record:
        """Add items; the counts, and what was broken."""
        how = {"columns": dict(columns)}
        with Pool.open(self.folder) as pool:
            return added_record(
                pool.add(*uris, progress=lambda so_far: tell(listed(so_far)), manifest=how)
            )

    def items(self, where: str, limit: int) -> Iterator[Record]:
        """Items, read in pages."""
        with Pool.open(self.folder) as pool:
            after = 0
            while limit > 0 and (page := pool.items(where, after, min(limit, PAGE))):
                yield from map(item_record, page)
                after, limit = page[-1].row, limit - len(page)

    def label(self, values: Mapping[str, Any], by: str) -> int:
        """Record labels."""
        with Pool.open(self.folder) as pool:
            return pool.label(values, by)

    def skip(self, items: Iterable[str], by: str) -> int:
        """Record that items cannot be labelled."""
        with Pool.open(self.folder) as pool:
            return pool.skip(items, by)

    def export(self, path: Path, format: str, which: str) -> str:
        """Write a manifest."""
        with Pool.open(self.folder) as pool:
            written = pool.export(path, format, which)
        left = f", {written.left_out_total:,} left out" if written.left_out_total else ""
        return f"{written.path}: {written.items:,} items as {written.format}{left}"

    def import_labels(self, path: Path, format: str, how: Mapping[str, Any] | None = None) -> Taken:
        """Take labels from a manifest."""
        with Pool.open(self.folder) as pool:
            added = pool.import_labels(path, format, how)
        reasons, why = added_record(added)["reasons"], why_nothing(added)
        if reasons and not why:
            more = f" (and {added.broken_total - 1:,} more)" if added.broken_total > 1 else ""
            click.echo(f"not used: {reasons[0]}{more}", err=True)
        return Taken(added.labelled, why)

    def forget(self, items: Sequence[str]) -> list[str]:
        """Erase items."""
        with Pool.open(self.folder) as pool:
            return [f"{path}: {why}" for path, why in pool.forget(items).left]

    def drift(self) -> Record:
        """Whether what the last query saw differs from what the first one did."""
        with Pool.open(self.folder) as pool:
            return pool.drift()._asdict()

    def estimate(self, asked: Mapping[str, Any]) -> Record:
        """What a query will cost."""
        with Pool.open(self.folder) as pool:
            return pool.estimate(settings_from(asked))._asdict()

    def issues(self, model: Any, tell: Tell) -> list[Record]:
        """Judged here."""
        from querist.pool.label_review import review

        with Pool.open(self.folder) as pool:
            found = review(pool, of_this_machine(model), _telling(tell, "features"))
        return [one._asdict() for one in found]

    def agreement(self, asked: Mapping[str, Any], tell: Tell) -> Record:
        """Both models run here."""
        from querist.pool.agreeing import Comparison, agreement_of

        model = of_this_machine(asked["model"]) or {}
        how = Comparison(asked["strategy"], asked["limit"], _telling(tell, "items"))
        with Pool.open(self.folder) as pool:
            return asdict(agreement_of(pool, model, asked["other"], asked["budget"], how))

    def start(self, asked: Mapping[str, Any]) -> str:
        """Make the folder of a query; nothing runs yet."""
        return str(start_query(self.folder, settings_from(asked)))

    def queries(self) -> Iterator[Record]:
        """Queries of this pool, the newest first."""
        with Pool.open(self.folder) as pool:
            found = queries(pool)
            folder = pool.folder / FOLDER
        for status in reversed(found):
            run = RunFolder(folder / status.id)
            asked, fact = settings_of(run), picked_fact(run)
            said = {"strategy": asked.strategy, "budget": asked.budget}
            said["picked"] = 0 if fact is None else fact[0]["counts"]["picked"]
            yield {"query": str(run.path), **status_record(status), **said}


def settings_from(asked: Mapping[str, Any]) -> Record:
    """A query's settings, in which the engine has its options.

    Raises:
        ConfigError: If the model is a name, which only a service knows.
    """
    said = dict(asked)
    engine, workers = said.pop("engine", {}), said.pop("workers", None)
    options = dict(kind_alone(engine))
    if workers:
        options["workers"] = workers
    if "model" in said:
        said["model"] = of_this_machine(said["model"])
    return {**said, "engine": options} if options else said


def of_this_machine(model: Any) -> Any:
    """Settings of a model.

    Raises:
        ConfigError: If it is a name, which only a service knows.
    """
    return named_model([model]) if isinstance(model, str) else model


def _telling(tell: Tell, stage: str) -> Callable[[int], None]:
    return lambda done: tell(Listed(done, stage=stage))


def listed(added: Added) -> Listed:
    """How far an addition is."""
    done = added.new + added.changed + added.duplicates + added.unchanged
    return Listed(done, added.broken_total)


def added_record(added: Added) -> Record:
    """What an addition did, the first broken entries as sentences."""
    counts = {name: getattr(added, name) for name in Added._fields if name != "broken"}
    counts["broken"] = counts.pop("broken_total")
    reasons = [
        f"{broken.where}, line {broken.line}: {broken.reason}" if broken.line else broken.reason
        for broken in added.broken
    ]
    return {**counts, "reasons": reasons}


def item_record(item: Item) -> Record:
    """An item with what is known of it."""
    wanted = ("id", "uri", "size", "content", "state", "group", "label", "metadata", "stale")
    found = {name: getattr(item, name) for name in wanted}
    return found if item.inline is None else {**found, "inline": item.inline}
