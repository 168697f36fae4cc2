"""Pools and their items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from querist.service.client.call import Call, Flow, Listing, delete, get, new_key, pages, path_of
from querist.service.client.call import post as _post
from querist.service.client.calls.references import Ref, pool_id
from querist.service.wire.base import Page
from querist.service.wire.jobs import Job
from querist.service.wire.pools import (
    MAX_ERASED,
    Addition,
    Erasure,
    Forgotten,
    Item,
    Pool,
    PoolCreate,
)


class PoolOptions(TypedDict, total=False):
    """What a new pool may be told besides its name.

    Attributes:
        task: What is labelled: "classification", ...
        classes: Names of the classes, in the order of the model's outputs.
        transform: How an item becomes an array: {"modality": "image", "size": 32}.
        sources: Options by URI scheme.
        uris: Added at once, by the job that the pool's ``addition`` names.
        columns: Of these manifests, as in ``add``.
    """

    task: str
    classes: list[str]
    transform: dict[str, Any]
    sources: dict[str, Any]
    uris: list[str]
    columns: dict[str, str]


def pools(name: str = "") -> Listing[Pool]:
    """All pools, or the one of a name."""
    return Listing(pages(Pool, "pools", name=name))


def pool(pool: Ref) -> Flow[Pool]:
    """One pool, by id or name."""
    found: Pool = yield from get(Pool, "pools", (yield from pool_id(pool)))
    return found


def create_pool(name: str, *, once: str = "", **options: Unpack[PoolOptions]) -> Flow[Pool]:
    """A new pool; with the same text in ``once``, a second call gives the first one's."""
    body = PoolCreate.model_validate({"name": name, **options})
    made: Pool = yield from _post(Pool, "pools", body=body, once=once)
    return made


def delete_pool(pool: Ref) -> Flow[None]:
    """Remove a pool with its labels; the items' own files stay where they are."""
    yield from delete("pools", (yield from pool_id(pool)))


def add(
    pool: Ref,
    uris: str | Iterable[str],
    *,
    columns: Mapping[str, str] | None = None,
    once: str = "",
) -> Flow[Job]:
    """Add folders, globs, manifests or single items by URI; the job tells how many were new.

    ``columns`` says which column of a manifest means what, where its names are not the usual ones:
    ``{"text": "review", "label": "category"}``.
    """
    named = [uris] if isinstance(uris, str) else list(uris)
    body = Addition.model_validate({"uris": named, "columns": dict(columns or {})})
    id_ = yield from pool_id(pool)
    job: Job = yield from _post(Job, "pools", id_, "additions", body=body, once=once)
    return job


def add_manifest(pool: Ref, file: Path | str, format: str, *, once: str = "") -> Flow[Job]:
    """Send a manifest, whose texts and tables may stand inline; its items are added.

    Args:
        pool: The pool.
        file: The manifest.
        format: "csv", "jsonl", "parquet", "label_studio", "coco", "yolo", "conll", "huggingface"
            or "ground_truth".
        once: With the same text in it, a second call gives the first one's job.
    """
    path = path_of("pools", (yield from pool_id(pool)), "manifests")
    said = {"format": format}
    job: Job = yield Call("POST", path, Job, said, file=Path(file), once=once or new_key())
    return job


def items(pool: Ref, where: str = "all") -> Listing[Item]:
    """The items of a pool: all, unlabelled, labelled or broken."""

    def page(after: str | None) -> Flow[Page[Item]]:
        id_ = yield from pool_id(pool)
        found: Page[Item] = yield from pages(Item, "pools", id_, "items", where=where)(after)
        return found

    return Listing(page)


def item(pool: Ref, item: str) -> Flow[Item]:
    """One item, with its label."""
    found: Item = yield from get(Item, "pools", (yield from pool_id(pool)), "items", item)
    return found


def forget(pool: Ref, items: str | Iterable[str]) -> Flow[Forgotten]:
    """Erase what the service holds of an item, or of several; ids remain as tombstones.

    More than 1,000 are sent in pieces, each of which is erased whole or, where one is unknown, not.
    """
    ids = [items] if isinstance(items, str) else list(dict.fromkeys(items))
    id_ = yield from pool_id(pool)
    at, left = datetime.now(UTC), dict[str, None]()
    for start in range(0, len(ids), MAX_ERASED):
        body = Erasure(items=ids[start : start + MAX_ERASED])
        done: Forgotten = yield from _post(Forgotten, "pools", id_, "erasures", body=body)
        at, left = done.at, {**left, **dict.fromkeys(done.left)}
    return Forgotten(ids=ids, at=at, left=list(left))


def export(pool: Ref, to: Path | str, format: str, which: str = "all") -> Flow[Path]:
    """Write a pool, with its labels, as a manifest.

    Args:
        pool: The pool.
        to: The file to write.
        format: "csv", "jsonl", "parquet", "label_studio", "coco", "yolo", "conll", "huggingface"
            or "ground_truth".
        which: Items: "all", "unlabelled", "labelled", "broken" ..., or a filter as JSON.

    Returns:
        The path of the file.
    """
    path = path_of("pools", (yield from pool_id(pool)), "export")
    said = {"format": format, "which": which}
    written: Path = yield Call("GET", path, Path, said, save=Path(to))
    return written
