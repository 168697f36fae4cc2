"""Pools and queries at a service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from querist.cli.output import Record, Tell, path_or_uri
from querist.cli.progress import waited
from querist.cli.taken import Taken
from querist.core.errors import ConfigError
from querist.pool.file import PoolFile
from querist.service.client.client import Client
from querist.sources.secrets import expanded

UPLOADS = {".onnx": "onnx", ".skops": "skops", ".safetensors": "safetensors"}


class PoolThere:
    """A pool at a service, by id or name."""

    def __init__(self, client: Client, pool: str) -> None:
        self.client, self.pool = client, pool

    def show(self) -> Record:
        """The service's own record, with the URL."""
        found = self.client.pool(self.pool).model_dump(mode="json", exclude={"addition"})
        return {**found, "server": self.client.url}

    def add(self, uris: Iterable[str], tell: Tell, columns: Mapping[str, str]) -> Record:
        """Add by a job, and wait for it. Local paths are paths of the service's machine."""
        named = [path_or_uri(uri) for uri in uris]
        job = self.client.add(self.pool, named, columns=columns)
        return job_record(waited(self.client, job, tell))

    def items(self, where: str, limit: int) -> Iterator[Record]:
        """Items, as the service tells them."""
        found = islice(self.client.items(self.pool, where), limit)
        return (item.model_dump(mode="json") for item in found)

    def export(self, path: Path, format: str, which: str) -> str:
        """Download a manifest."""
        written = self.client.export(self.pool, path, format or suffix_of(path), which)
        return f"{written}: {which} items of {self.pool}"

    def import_labels(self, path: Path, format: str, how: Mapping[str, Any] | None = None) -> Taken:
        """Send a manifest."""
        if any((how or {}).values()):
            raise ConfigError(
                "--images and --column are for a pool in a folder; send a manifest with ids, and "
                "labels in a column 'label'."
            )
        told = self.client.import_labels(self.pool, path, format or suffix_of(path))
        return Taken(told.labels, told.why_nothing)

    def label(self, values: Mapping[str, Any], by: str) -> int:
        """Record labels."""
        return self.client.label(self.pool, values, by=by or None).labels

    def skip(self, items: Iterable[str], by: str) -> int:
        """Record that items cannot be labelled."""
        return self.client.skip(self.pool, items, by=by or None).labels

    def forget(self, items: Sequence[str]) -> list[str]:
        """Have items erased."""
        return self.client.forget(self.pool, items).left

    def drift(self) -> Record:
        """As the service measures it."""
        return self.client.drift(self.pool).model_dump(mode="json")

    def start(self, asked: Mapping[str, Any]) -> str:
        """Begin a query; files of its model are sent first."""
        return self.client.start_query(self.pool, **self._asked(asked)).id

    def queries(self) -> Iterator[Record]:
        """Queries of this pool."""
        return (query_record(found) for found in self.client.queries(self.pool))

    def estimate(self, asked: Mapping[str, Any]) -> Record:
        """What a query will cost."""
        return self.client.estimate(self.pool, **self._asked(asked)).model_dump(mode="json")

    def issues(self, model: Any, tell: Tell) -> list[Record]:
        """Judged by a job of the service."""
        begun = self.client.start_review(self.pool, model=self._model(model))
        waited(self.client, begun, tell)
        return [one.model_dump(mode="json") for one in self.client.issues(begun)]

    def agreement(self, asked: Mapping[str, Any], tell: Tell) -> Record:
        """Both models run in a job of the service."""
        said = {name: value for name, value in asked.items() if value is not None}
        said |= {
            "model": self._model(asked["model"]),
            "other": uploaded(self.client, asked["other"]),
        }
        begun = self.client.start_agreement(self.pool, **said)
        ended: Any = waited(self.client, begun, tell)
        found: Record = ended.agreement.model_dump(mode="json")
        return found

    def _model(self, model: Any) -> Any:
        return uploaded(self.client, model) if isinstance(model, Mapping) else model

    def _asked(self, asked: Mapping[str, Any]) -> Any:
        """In the service's words; it chooses the engine itself, but for the number of workers."""
        said = {name: value for name, value in asked.items() if name != "engine"}
        engine = asked.get("engine")
        if isinstance(engine, Mapping) and engine.get("workers"):
            said["workers"] = engine["workers"]
        if "model" in said:
            said["model"] = self._model(said["model"])
        return said


class QueryThere:
    """A query at a service."""

    def __init__(self, client: Client, query: str) -> None:
        self.client, self.query = client, query

    def wait(self, tell: Tell) -> None:
        """Follow its job."""
        waited(self.client, self.query, tell)

    def status(self) -> Record:
        """How far it is."""
        return query_record(self.client.query_status(self.query))

    def result(self) -> list[Record]:
        """All picks."""
        return [pick.model_dump(mode="json") for pick in self.client.picks(self.query)]

    def notes(self) -> list[str]:
        """What a person should know of the result: the service tells none."""
        return []

    def sheet(self, path: Path) -> Path:
        """Only where the items are."""
        raise ConfigError("A contact sheet is drawn where the pool is; a service draws none.")

    def failures(self, limit: int) -> Iterator[Record]:
        """Items that could not be used."""
        found = islice(self.client.failures(self.query), limit)
        return (failure.model_dump(mode="json") for failure in found)

    def cancel(self) -> Record:
        """End its job."""
        return job_record(self.client.cancel(self.query))


def job_record(job: Any) -> Record:
    """A job as a flat record; what does not hold of it is left out."""
    found: Record = job.model_dump(mode="json", exclude_none=True)
    return {**found, **found.pop("progress", {}), **(found.pop("added", None) or {})}


def query_record(query: Any) -> Record:
    """A query as a flat record."""
    found = job_record(query)
    asked = found.pop("asked", {})
    said = {name: asked.get(name) for name in ("strategy", "budget")}
    return {"query": found["id"], **found, **found.pop("counts", {}), **said}


def set_up(client: Client, found: PoolFile) -> str:
    """The id of the pool that a file describes: made where there is none of its name."""
    for pool in client.pools(found.name):
        if pool.name == found.name:
            return pool.id
    settings = found.settings()
    said = settings.model_dump(mode="json", include={"task", "transform", "sources"})
    if settings.classes is not None:
        said["classes"] = list(settings.classes)
    said["sources"] = sent_sources(settings.sources)
    made = client.create_pool(found.name, **said)
    return made.id


def sent_sources(sources: Mapping[str, Mapping[str, Any]]) -> Record:
    """Options of sources as a service is told them, which knows no variable of this machine."""
    return {scheme: expanded(options, scheme) for scheme, options in sources.items()}


def uploaded(client: Client, model: Mapping[str, Any]) -> Record:
    """A model's settings, in which files of this machine are sent and named by their uploads."""
    return {name: _sent(client, value) for name, value in model.items()}


def _sent(client: Client, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_sent(client, one) for one in value]
    if not isinstance(value, str) or Path(value).suffix not in UPLOADS or not Path(value).is_file():
        return value
    return f"upload:{client.upload(value, UPLOADS[Path(value).suffix]).id}"


def suffix_of(path: Path) -> str:
    """The format that a file's name stands for.

    Raises:
        ConfigError: If it stands for none.
    """
    known = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".conll": "conll"}
    if path.suffix not in known:
        raise ConfigError(f"{path.name!r} does not tell its format; name it with --format.")
    return known[path.suffix]
