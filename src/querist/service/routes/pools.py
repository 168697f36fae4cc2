"""Pools and their items."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from querist.pool.items import Item as PoolItem
from querist.pool.manifests.registry import FORMATS
from querist.pool.pool import Pool as OpenPool
from querist.pool.settings import PoolSettings, parse_settings
from querist.pool.suggested import Suggestion
from querist.service.call import Call, Content, Nothing, Thumbnail
from querist.service.checks import strike_out
from querist.service.content import bytes_of, content_of
from querist.service.index.index import (
    Connection,
    Row,
    Taken,
    count,
    count_alone,
    find,
    grouped,
    insert,
    newest_page,
    now,
    remove,
    remove_of,
)
from querist.service.jobs.records import UNFINISHED, new_job, told
from querist.service.maps import strike_from_maps
from querist.service.pools import check_size, limited, make, models_for
from querist.service.problems import Refused
from querist.service.routes.paging import After, Limit, PathId, number_of, page_of
from querist.service.thumbnails import Key, row_words
from querist.service.wire.base import Name, Page
from querist.service.wire.jobs import Job
from querist.service.wire.pools import (
    Addition,
    Erasure,
    Forgotten,
    Item,
    ManifestFormat,
    Pool,
    PoolCreate,
)
from querist.service.workspace import erase, room_for
from querist.sources.secrets import references_in
from querist.sources.transforms.opening import open_transform

WhereText = Annotated[str, StringConstraints(min_length=1, max_length=8192)]
Side = Annotated[int, Field(ge=16, le=512)]
ItemPath = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


def list_pools(
    call: Call, limit: Limit = 100, after: After = "", name: Name | None = None
) -> Page[Pool]:
    """Pools of your tenant, the newest first; ``name`` finds one."""
    where = {"tenant": call.who.tenant, "name": name}
    with call.service.index.read() as connection:
        rows = newest_page(connection, "pools", where, after, limit)
    return page_of(rows, _told)


def create_pool(call: Call, body: PoolCreate) -> Pool:
    """Make a pool. With ``uris`` a job adds these."""
    settings = _settings(call, body)
    pool = call.new_id("pol")
    folder = call.service.workspace.pool(call.who.tenant, pool)
    make(folder, settings)
    row: Row = {
        "id": pool,
        "tenant": call.who.tenant,
        "name": body.name,
        "asked": body.model_dump(mode="json", exclude={"uris", "columns", "sources"}),
        "items": 0,
        "addition": call.new_id("job") if body.uris else "",
        "created": now(),
    }
    try:
        with call.service.index.write() as connection:
            found = find(connection, "pools", id=pool)
            if found is not None:  # the same request, whose server died before it answered
                return _told(found)
            _check_pools(call, connection)
            insert(connection, "pools", row)
            if body.uris:
                call.service.check_jobs(connection, call.who)
                asked = {"uris": body.uris, "only_new": False, "columns": body.columns}
                new_job(connection, _addition(call, pool, asked))
    except Taken:
        erase(folder)
        raise Refused("conflict", "The tenant has a pool with this name; choose another.") from None
    except Refused:
        erase(folder)
        raise
    call.service.runner.poke()
    return _told(row)


def _check_pools(call: Call, connection: Connection) -> None:
    most = call.service.quota(call.who).pools or 0
    if count_alone(connection, "pools", call.who.tenant) >= most:
        raise Refused("quota-exceeded", f"The tenant may have {most} pools; remove some.")


def get_pool(call: Call, pool: PathId) -> Pool:
    """One pool, with its counts."""
    row = call.service.own(call.who, "pools", "pool", pool)
    with call.service.pool(call.who, pool) as found:
        states, classes = found.counts(), found.classes
    told = _told({**row, "items": sum(states.values())}, states)
    return told.model_copy(update={"classes": list(classes) or told.classes})


def remove_pool(call: Call, pool: PathId) -> Nothing:
    """Remove a pool with its labels and queries. Its jobs must be finished."""
    service = call.service
    row = service.own(call.who, "pools", "pool", pool)
    folder = service.workspace.pool(call.who.tenant, pool)
    with service.index.write() as connection:
        if count(connection, "jobs", pool=row["id"], state=list(UNFINISHED)):
            raise Refused("conflict", "Jobs of this pool are not finished; cancel them first.")
        ids = [id for id, _ in grouped(connection, "jobs", ("id",), pool=row["id"])]
        remove(connection, "rounds", pool=row["id"])
        remove_of(connection, "events", "job", "jobs", pool=row["id"])
        remove(connection, "jobs", pool=row["id"])
        remove(connection, "pools", id=row["id"])
    service.shelf.drop(folder)
    erase(folder)
    for job in ids:
        erase(service.workspace.job(call.who.tenant, job))
    return Nothing()


def add_to_pool(call: Call, pool: PathId, body: Addition) -> Job:
    """Add items by URI: a job."""
    call.service.own(call.who, "pools", "pool", pool)
    return start_addition(call, pool, body.model_dump(mode="json"))


def add_manifest(call: Call, pool: PathId, format: ManifestFormat) -> Job:
    """Add the items of a manifest, which is the body of the request: a job."""
    call.service.own(call.who, "pools", "pool", pool)
    kept = keep_manifest(call, format)
    try:
        return start_addition(call, pool, {"manifest": str(kept), "format": format})
    except Refused:
        erase(kept)
        raise


def keep_manifest(call: Call, format: str) -> Path:
    """Put the body of the request where the tenant's pools may read it."""
    if FORMATS[format].folder:
        raise Refused("invalid", f"{format} is a folder of files; put it where the server reads.")
    kept = call.service.workspace.manifests(call.who.tenant) / f"{call.new_id('job')}.manifest"
    room_for(call.service.workspace, 0)
    call.upload.path.replace(kept)
    return kept


def start_addition(call: Call, pool: str, asked: dict[str, Any]) -> Job:
    """Record the job of an addition."""
    row = _addition(call, pool, asked)
    with call.service.index.write() as connection:
        kept = find(connection, "jobs", id=row["id"])
        if kept is None:
            call.service.check_jobs(connection, call.who)
            kept = new_job(connection, row)
    call.service.runner.poke()
    return told(kept)


def list_items(
    call: Call, pool: PathId, limit: Limit = 100, after: After = "", where: WhereText = "all"
) -> Page[Item]:
    """Items, in the order in which they came; ``where`` is a word or a filter in JSON.

    A page may have fewer than ``limit``: it ends at eight megabytes.
    """
    with call.service.pool(call.who, pool) as found:
        page = found.page(where_of(where), number_of(after), limit)
    more = None if page.after is None else str(page.after)
    return Page[Item](items=[item_told(one) for one in page.items], next=more)


def get_item(call: Call, pool: PathId, item: ItemPath) -> Item:
    """One item by its id."""
    with call.service.pool(call.who, pool) as found:
        return item_told(found.item(item))


def item_content(call: Call, pool: PathId, item: ItemPath) -> Content:
    """The item itself, as a browser may show it: PNG, JPEG, GIF, WebP, a sound or plain text.

    Sounds are WAV, FLAC, Ogg, MP3 and M4A. A longer text is cut at 100,000 bytes; an item of
    another kind is refused.
    """
    with call.service.pool(call.who, pool) as found:
        return content_of(found, found.item(item), call.service.settings.limits.item_bytes)


def item_thumbnail(call: Call, pool: PathId, item: ItemPath, side: Side = 160) -> Thumbnail:
    """A small PNG or JPEG of a picture, ``side`` pixels at most, or the first words of a text.

    Of a sound it says that it is one. Other formats of pictures are shown, too; an item that is
    none of these is refused.
    """
    with call.service.pool(call.who, pool) as found:
        one = found.item(item)
        key, limits = (
            Key(pool, item, f"{one.content}-{one.version}", side),
            call.service.settings.limits,
        )
        pixels = limits.pixels if one.inline is None else 0
        return Thumbnail(
            *call.service.thumbnails.of(key, lambda: _read(found, one, limits.item_bytes), pixels)
        )


def _read(pool: OpenPool, item: PoolItem, limit: int) -> bytes:
    """What a thumbnail is made of; of a row of a table its columns, one a line."""
    row = item.inline
    return row_words(row) if isinstance(row, Mapping) else bytes_of(pool, item, limit)


def forget_items(call: Call, pool: PathId, body: Erasure) -> Forgotten:
    """Erase items and all that was made of them. Their ids stay, so that they do not come again.

    In one step: none is erased where an id is unknown. Asked again, it erases what was left.
    """
    items = body.items
    with call.service.pool(call.who, pool) as found:
        rows = [one.row for one in found.items({"id": items})]
        left = [_told_left(found.folder, *one) for one in found.forget(items).left]
    call.service.thumbnails.drop(pool, items)
    strike_from_maps(call.service.index, call.service.workspace, pool, rows)
    strike_out(call.service.index, call.service.workspace, pool, items)
    call.service.count_items(call.who.tenant, pool)
    return Forgotten(ids=items, at=datetime.now(UTC), left=left)


def _told_left(folder: Path, path: Path, why: str) -> str:
    """What is left of an item, without where the server keeps its files."""
    inside = path.is_relative_to(folder)
    return f"{path.relative_to(folder) if inside else path.name}: {why}"


def where_of(text: str) -> Any:
    """A word, or a filter written as JSON."""
    if not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("invalid", "'where' should be a word or JSON.") from None


def item_told(item: PoolItem, suggested: Mapping[int, Suggestion] | None = None) -> Item:
    """An item as it goes on the wire, with what a model suggests where that is given."""
    values = {name: getattr(item, name) for name in item._fields if name in Item.model_fields}
    found = (suggested or {}).get(item.row)
    if found is not None:
        values |= {"suggestion": found.value, "suggestion_score": found.score}
    return Item.model_construct(**values)


def _settings(call: Call, body: PoolCreate) -> PoolSettings:
    """The pool's settings, checked: errors in them are the client's."""
    if references_in(body.sources):  # they would be read where the service's own secrets are
        raise Refused("invalid", "Sources may not name environment variables of the server.")
    limits = call.service.settings.limits
    transform = limited(body.transform, limits)
    if transform:
        table = transform.get("modality") == "table"  # its rows tell columns that nobody names
        check_size(
            open_transform({"columns": {"any": {}}, **transform} if table else transform), limits
        )
    wanted = {
        **body.model_dump(exclude={"uris", "columns", "transform"}, exclude_none=True),
        "transform": transform,
        "access": call.service.access(call.who.tenant, call.who.tenant_name),
        "models": models_for(call.who.tenant_name, call.service.settings),
    }
    return parse_settings(wanted, "The pool")


def _addition(call: Call, pool: str, asked: dict[str, Any]) -> Row:
    return {
        "id": call.new_id("job"),
        "tenant": call.who.tenant,
        "pool": pool,
        "kind": "addition",
        "folder": "",
        "asked": asked,
    }


def _told(row: Row, states: dict[str, int] | None = None) -> Pool:
    return Pool(
        id=row["id"],
        name=row["name"],
        task=row["asked"]["task"],
        classes=row["asked"]["classes"],
        learns_classes=row["asked"]["classes"] is None,
        transform=row["asked"]["transform"],
        items=row["items"],
        states=states or {},
        created=row["created"],
        addition=row["addition"] or None,
    )
