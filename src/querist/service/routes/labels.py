"""Labels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from querist.pool.opinions import disputes
from querist.pool.pool import Pool
from querist.pool.suggested import kept
from querist.pool.where import Where
from querist.service.call import Call, Download
from querist.service.index.index import find
from querist.service.label_files import labels_from
from querist.service.routes.paging import After, Limit, PathId, number_of
from querist.service.routes.pools import ItemPath, WhereText, item_told, keep_manifest, where_of
from querist.service.webhooks.outbox import enqueue
from querist.service.wire.base import Page
from querist.service.wire.labels import (
    Imported,
    Label,
    LabelSet,
    LabelsPost,
    LeaseAsk,
    Recorded,
    Statement,
)
from querist.service.wire.pools import Item, ManifestFormat
from querist.service.workspace import erase, room_for

_LOOK = 200  # items that are looked at together for some that nobody holds


def list_labels(
    call: Call, pool: PathId, limit: Limit = 100, after: After = "", where: WhereText = "labelled"
) -> Page[Label]:
    """Labels that hold, in the order in which their items came."""
    with call.service.pool(call.who, pool) as found:
        page = found.page(where_of(where), number_of(after), limit)
    more = None if page.after is None else str(page.after)
    shown = [Label(id=one.id, value=one.label) for one in page.items if one.label is not None]
    return Page[Label](items=shown, next=more)


def post_labels(call: Call, pool: PathId, body: LabelsPost) -> Recorded:
    """Record what was said of items. The key's user said it, unless ``by`` names another."""
    by = body.by or call.who.user
    with call.service.pool(call.who, pool) as found:
        number = sum(_record(found, body.labels, by))
    with call.service.index.read() as connection:
        told = find(connection, "webhooks", tenant=call.who.tenant) is not None
    if told:
        with call.service.index.write() as connection:
            enqueue(connection, call.who.tenant, "labels.added", {"pool": pool, "labels": number})
        call.service.sender.poke()
    return Recorded(labels=number)


def lease_items(call: Call, pool: PathId, body: LeaseAsk) -> Page[Item]:
    """Items for somebody who labels: nobody else gets them for five minutes.

    Whoever asks again gets his own again, for five minutes more. ``among`` says which, in order;
    without it they come in the order of the pool.
    """
    with call.service.pool(call.who, pool) as found:
        ids = _wanted(found, body, body.by or call.who.user)
        taken = call.service.leases.take(pool, body.holder, ids, body.number)
        said = kept(found.folder).said
        return Page[Item](items=[item_told(found.item(id), said) for id in taken])


def _wanted(pool: Pool, body: LeaseAsk, by: str) -> Iterator[str]:
    """Ids of the items that may be lent, in the order in which they are wanted."""
    if body.among:
        fits = {one.id for one in pool.items(_where(body, by, body.among), 0, len(body.among))}
        yield from (id for id in body.among if id in fits)
    elif body.which == "disputed":
        yield from (one.item.id for one in disputes(pool))
    else:
        after: int | None = 0
        while after is not None:
            page = pool.page(_where(body, by), after, _LOOK)
            yield from (one.id for one in page.items)
            after = page.after


def _where(body: LeaseAsk, by: str, among: list[str] | None = None) -> Where:
    """Which items are of the kind that is asked for."""
    second = {"state": ["labelled", "disputed"], "opinions": 1, "not": {"said_by": by}}
    kinds: dict[str, Where] = {
        "unlabelled": "unlabelled",
        "second": second,
        "disputed": "contested",
    }
    kind = kinds[body.which]
    return kind if among is None else {"all": [kind, {"id": among}]}


def _record(pool: Pool, labels: list[LabelSet], by: str) -> Iterator[int]:
    kinds: dict[str, dict[str, object]] = {"label": {}, "decide": {}, "skip": {}, "withdraw": {}}
    for one in labels:
        kinds[one.kind][one.id] = one.value
    if kinds["label"]:
        yield pool.label(kinds["label"], by)
    if kinds["decide"]:
        yield pool.label(kinds["decide"], by, decides=True)
    for id, reason in kinds["skip"].items():
        yield pool.skip([id], by, str(reason or ""))
    if kinds["withdraw"]:
        yield pool.unlabel(kinds["withdraw"], by)


def label_history(call: Call, pool: PathId, item: ItemPath) -> Page[Statement]:
    """All that was ever said of an item, the first first."""
    with call.service.pool(call.who, pool) as found:
        said = found.history(item)
    statements = [
        Statement(at=one.at, by=one.annotator, kind=one.kind, value=one.value)  # type: ignore[arg-type]
        for one in said
    ]
    return Page[Statement](items=statements)


def import_labels(call: Call, pool: PathId, format: ManifestFormat) -> Imported:
    """Record the labels of a manifest, which is the body of the request."""
    call.service.own(call.who, "pools", "pool", pool)
    kept = keep_manifest(call, format)
    try:
        with call.service.pool(call.who, pool) as found:
            return labels_from(call.service, call.who, found, kept, format)
    finally:
        erase(kept)


def export_pool(
    call: Call, pool: PathId, format: ManifestFormat, which: WhereText = "all"
) -> Download:
    """The pool as a manifest: one file, or a zip archive where the format is a folder."""
    with call.service.pool(call.who, pool) as found:
        return exported(call, found, format, where_of(which), found.name)


def exported(call: Call, pool: Pool, format: str, where: Any, name: str) -> Download:
    """Write a manifest, to be sent and removed."""
    room_for(call.service.workspace, 0)
    folder = call.service.workspace.temporary_folder()
    written = folder / "manifest"
    try:
        pool.export(written, format, where)
        if not written.is_dir():
            sent = call.service.workspace.temporary()
            written.replace(sent)
            return Download(sent, "application/octet-stream", f"{name}.{format}")
        packed = shutil.make_archive(str(folder / "packed"), "zip", written)
        sent = call.service.workspace.temporary()
        Path(packed).replace(sent)
        return Download(sent, "application/zip", f"{name}.{format}.zip")
    finally:
        erase(folder)
