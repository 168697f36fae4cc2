"""Pools and queries at a service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from querist.cli.output import Record, Tell, path_or_uri
from querist.core.errors import ConfigError
from querist.service.client.client import Client


class PoolThere:
    """A pool at a service, by id or name."""

    def __init__(self, client: Client, pool: str) -> None:
        self.client, self.pool = client, pool

    def show(self) -> Record:
        """The service's own record, with the URL."""
        found = self.client.pool(self.pool).model_dump(mode="json", exclude={"addition"})
        return {**found, "server": self.client.url}

    def add(self, uris: Iterable[str], tell: Tell) -> Record:
        """Add by a job, and wait for it. Local paths are paths of the service's machine."""
        job = self.client.add(self.pool, [path_or_uri(uri) for uri in uris])
        return job_record(self.client.wait(job, lambda told: tell(told.progress)))

    def items(self, where: str, limit: int) -> Iterator[Record]:
        """Items, as the service tells them."""
        found = islice(self.client.items(self.pool, where), limit)
        return (item.model_dump(mode="json") for item in found)

    def export(self, path: Path, format: str, which: str) -> str:
        """Download a manifest."""
        written = self.client.export(self.pool, path, format or suffix_of(path), which)
        return f"{written}: {which} items of {self.pool}"

    def import_labels(self, path: Path, format: str) -> int:
        """Send a manifest."""
        return self.client.import_labels(self.pool, path, format or suffix_of(path)).labels

    def label(self, values: Mapping[str, Any], by: str) -> int:
        """Record labels."""
        return self.client.label(self.pool, values, by=by or None).labels

    def forget(self, item: str) -> None:
        """Have an item erased."""
        self.client.forget(self.pool, item)


def job_record(job: Any) -> Record:
    """A job as a flat record; what does not hold of it is left out."""
    found: Record = job.model_dump(mode="json", exclude_none=True)
    return {**found, **found.pop("progress", {}), **(found.pop("added", None) or {})}


def suffix_of(path: Path) -> str:
    """The format that a file's name stands for.

    Raises:
        ConfigError: If it stands for none.
    """
    known = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".conll": "conll"}
    if path.suffix not in known:
        raise ConfigError(f"{path.name!r} does not tell its format; name it with --format.")
    return known[path.suffix]
